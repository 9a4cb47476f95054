"""The endpoint beside a server that does nothing, in turns.

    python3 tools/load/ratio.py --keymill target/release/keymill \\
        --bare target/release/examples/bare_server --spec ECC_NIST_P256

Each server answers on core 0, wrk asks from core 1, one server after the other in every round. The
endpoint verifies signatures and writes its audit log. The first round begins when the pool is full; as
long as all rounds take less than half of it, no producer refills meanwhile (`--pool`). CPU time is that
of all the server's threads. wrk is a closed loop: what it says of latencies is how long its connections
waited for each other.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def start(command, env=None):
    """A process on core 0, and what it prints up to its address."""
    server = subprocess.Popen(["taskset", "-c", "0", *command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=env)
    said = ""
    for line in server.stdout:
        said += line
        if match := re.search(r"^(?:keymill: listening on )?(http://[\d.:]+)$", line):
            return server, match[1], said
    sys.exit(f"ratio.py: {command[0]} did not start:\n{said}")


def exports(said):
    pairs = re.findall(r"(AWS_\w+)=(\S+)", said)
    return {name: shlex.split(value)[0] for name, value in pairs}


def presign(url, access, body, path):
    run = subprocess.run([sys.executable, HERE / "presign.py", "--endpoint", url, "--body", body],
                         env={**os.environ, **access}, check=True, capture_output=True, text=True)
    path.write_text(run.stdout)
    return json.loads(run.stdout)


def ask(url, request):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
    connection.request("POST", "/", request["body"], request["headers"])
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        sys.exit(f"ratio.py: the endpoint answers {answer.status} {body.decode()}")
    return len(body)


def ready(admin, spec):
    with urllib.request.urlopen(f"{admin}/metrics", timeout=60) as answer:
        pools = re.findall(r'keymill_pool_ready_pairs\{spec="(\w+)"\} (\d+)', answer.read().decode())
    return int(dict(pools).get(spec, 0))


def wait_for(admin, spec, pairs, patience=60):
    """Waits for so many pairs, as long as there come more."""
    there, end = ready(admin, spec), time.monotonic() + patience
    while there < pairs:
        time.sleep(0.2)
        before, there = there, ready(admin, spec)
        if there > before:
            end = time.monotonic() + patience
        elif time.monotonic() > end:
            sys.exit(f"ratio.py: the pool holds {there} pairs, and {pairs} were asked for")


def load(url, pid, request, seconds, connections):
    before = cpu_seconds(pid)
    run = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
         "-s", HERE / "wrk.lua", url],
        env={**os.environ, "REQUEST": str(request)}, capture_output=True, text=True, check=True)
    spent = cpu_seconds(pid) - before
    text = run.stdout
    if "Non-2xx" in text:
        sys.exit(f"ratio.py: not every answer was 200:\n{text}")
    requests = int(re.search(r"(\d+) requests in", text)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    latency = {name: re.search(rf"^ +{name}% +(\S+)", text, re.MULTILINE)[1] for name in ("50", "99")}
    return rate, requests / spent, latency


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keymill", required=True)
    parser.add_argument("--bare", required=True)
    parser.add_argument("--spec", default="ECC_NIST_P256")
    parser.add_argument("--pool", type=int, default=4_000_000, help="key pairs that the pool can hold")
    parser.add_argument("--finished", action="store_true", help="no RSA pair in the pool is primes only")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    body = json.dumps({"KeyId": "alias/default", "KeyPairSpec": wanted.spec})
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        command = [wanted.keymill, "--home", scratch / "home", "serve", "--listen", "127.0.0.1:0",
                   "--threads", "1", "--pool", f"{wanted.spec}={wanted.pool}", "--audit", scratch / "audit",
                   "--admin", "127.0.0.1:0"]
        if wanted.finished:
            command.append("--finished")
        endpoint, url, said = start(command)
        admin = re.search(r"weather at (\S+)", said)[1]
        access, request = exports(said), scratch / "request.json"
        length = ask(url, presign(url, access, body, request))
        bare, bare_url, _ = start([wanted.bare, str(length)])
        rounds = []
        try:
            wait_for(admin, wanted.spec, wanted.pool * 99 // 100)
            for _ in range(wanted.rounds):
                before = ready(admin, wanted.spec)
                presign(url, access, body, request)
                ours = load(url, endpoint.pid, request, wanted.seconds, wanted.connections)
                theirs = load(bare_url, bare.pid, request, wanted.seconds, wanted.connections)
                rounds.append((ours, theirs))
                taken = int(ours[0] * wanted.seconds)
                if not wanted.json:
                    print(f"endpoint {ours[0]:9.0f}/s {ours[1]:9.0f}/CPU-s p50 {ours[2]['50']} p99 {ours[2]['99']}"
                          f" | bare {theirs[0]:9.0f}/s {theirs[1]:9.0f}/CPU-s | {ours[0] / theirs[0]:.3f}"
                          f" | {taken} pairs, {before} were ready", flush=True)
        finally:
            endpoint.terminate()
            bare.kill()
            endpoint.wait()
    ratios = [ours[0] / theirs[0] for ours, theirs in rounds]
    per_cpu = [ours[1] / theirs[1] for ours, theirs in rounds]
    summary = {
        "spec": wanted.spec, "answer_bytes": length, "rounds": wanted.rounds,
        "endpoint_per_s": statistics.median(ours[0] for ours, _ in rounds),
        "bare_per_s": statistics.median(theirs[0] for _, theirs in rounds),
        "ratio": statistics.median(ratios), "ratio_per_cpu_second": statistics.median(per_cpu),
        "endpoint_per_cpu_second": statistics.median(ours[1] for ours, _ in rounds),
    }
    if wanted.json:
        print(json.dumps(summary, indent=1))
    else:
        print(f"median of {wanted.rounds}: {summary['endpoint_per_s']:.0f}/s, ratio {summary['ratio']:.3f}; "
              f"{summary['endpoint_per_cpu_second']:.0f} a CPU second, ratio {summary['ratio_per_cpu_second']:.3f}")


if __name__ == "__main__":
    main()
