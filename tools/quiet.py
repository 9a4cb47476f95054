#!/usr/bin/env python3
"""What the kernel had to do with each worker of a job, seen from outside by strace.

    tools/quiet.py target/release/keymill --key-pair-spec ECC_NIST_P256 --count 10000000
    tools/quiet.py target/release/keymill --key-pair-spec RSA_2048 --count 2000

A worker asks the kernel to be counted twice: when it is warm, and when its last slot is done. Both
calls stand in the trace, with what the kernel had counted by then, so that the trace itself shows
where to begin and to end. strace stops a thread before and behind each system call and nowhere else:
these waits, one behind the first mark and one before the second too, are strace's and taken off.

Exits with 1 if a worker made a system call, faulted or waited in between.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

MARK = re.compile(r"getrusage\(RUSAGE_THREAD, \{(.*)\}\) += 0")
CALL = re.compile(r"^\d+\.\d+ (\w+)\(")
STOPS_A_CALL = 2


def field(mark, name):
    return int(re.search(rf"\b{name}=(\d+)", mark[1])[1])


def examine(trace):
    """Calls and counts between the marks of one thread; None if it is no worker."""
    lines = trace.read_text().splitlines()
    marks = [(at, mark) for at, line in enumerate(lines) if (mark := MARK.search(line))]
    if len(marks) != 2:
        return None
    (first, warm), (last, stop) = marks
    calls = [call[1] for line in lines[first + 1 : last] if (call := CALL.match(line))]
    since = lambda name: field(stop, name) - field(warm, name)
    faults = since("ru_minflt") + since("ru_majflt")
    waits = since("ru_nvcsw") - STOPS_A_CALL * (len(calls) + 1)
    return calls, faults, waits, since("ru_nivcsw")


def run_traced(keymill, wanted, folder):
    """Runs the job; returns the trace of every thread, in the order they began."""
    strace = ["strace", "-ff", "-ttt", "-v", "-o", folder / "trace"]
    output = folder / "keys.arrow"
    job = [keymill, "--home", folder / "home", "generate", *wanted, "-o", output]
    subprocess.run([*strace, *job], check=True)
    return sorted(folder.glob("trace.*"), key=lambda path: int(path.suffix[1:]))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", default=".", help="where the job's file stands for a moment")
    parser.add_argument("keymill", help="the program; its arguments for `generate` follow")
    known, wanted = parser.parse_known_args()
    with tempfile.TemporaryDirectory(dir=known.folder) as folder:
        traces = run_traced(known.keymill, wanted, pathlib.Path(folder).resolve())
        workers = [(path.suffix[1:], found) for path in traces if (found := examine(path))]
    if not workers:
        sys.exit("no worker was warm: were there more slots than workers?")
    print("worker  system calls  faults  voluntary switches  preemptions")
    is_quiet = True
    for thread, (calls, faults, waits, preemptions) in workers:
        print(f"{thread:>6} {len(calls):13} {faults:7} {waits:19} {preemptions:12}", *set(calls))
        is_quiet = is_quiet and not calls and faults == 0 and waits == 0
    sys.exit(0 if is_quiet else 1)


if __name__ == "__main__":
    main()
