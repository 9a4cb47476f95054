"""The endpoint beside a server that does nothing, in turns.

    python3 tools/load/ratio.py --keymill target/release/keymill \\
        --bare target/release/examples/bare_server --spec ECC_NIST_P256

Each server answers on core 0, wrk asks from core 1, one server after the other in every round. The
endpoint verifies signatures and writes its audit log. The first round begins when the pool is full; as
long as all rounds take less than half of it (an eighth, of RSA), no producer refills meanwhile (`--pool`).
CPU time is that of all the server's threads. wrk sends one signed request over and over, unless they are to
be `--distinct`. It is a closed loop: what it says of latencies is how long its connections waited for each
other.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile

from endpoint import HERE, Endpoint, Server, fail


def load(server, request, seconds, connections):
    """Answers a second, and a second of CPU, and percentiles."""
    before = server.cpu_seconds()
    run = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
         "-s", HERE / "wrk.lua", server.url],
        env={**os.environ, "REQUEST": str(request)}, capture_output=True, text=True, check=True)
    spent = server.cpu_seconds() - before
    text = run.stdout
    if "Non-2xx" in text:
        fail(f"not every answer was 200:\n{text}")
    requests = int(re.search(r"(\d+) requests in", text)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    latency = {name: re.search(rf"^ +{name}% +(\S+)", text, re.MULTILINE)[1] for name in ("50", "99")}
    return rate, requests / spent, latency


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keymill", required=True)
    parser.add_argument("--bare", required=True)
    parser.add_argument("--spec", default="ECC_NIST_P256")
    parser.add_argument("--pool", type=int, default=8_000_000, help="key pairs that the pool can hold")
    parser.add_argument("--finished", action="store_true", help="no RSA pair in the pool is primes only")
    parser.add_argument("--distinct", type=int, default=0, metavar="N",
                        help="N requests in turn, each with a context and a signed id of its own, instead of one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    pool = [f"{wanted.spec}={wanted.pool}", *(["--finished"] if wanted.finished else [])]
    rounds = []
    with tempfile.TemporaryDirectory() as scratch, Endpoint(wanted.keymill, pathlib.Path(scratch), *pool) as endpoint:
        request = pathlib.Path(scratch) / "request.json"
        length = endpoint.ask(endpoint.presign(wanted.spec, request, wanted.distinct))
        endpoint.wait_for(wanted.spec, wanted.pool * 99 // 100)
        with Server([wanted.bare, str(length)]) as bare:
            for _ in range(wanted.rounds):
                before = endpoint.level(wanted.spec)
                endpoint.presign(wanted.spec, request, wanted.distinct)
                ours = load(endpoint, request, wanted.seconds, wanted.connections)
                theirs = load(bare, request, wanted.seconds, wanted.connections)
                rounds.append((ours, theirs))
                taken = int(ours[0] * wanted.seconds)
                if not wanted.json:
                    print(f"endpoint {ours[0]:9.0f}/s {ours[1]:9.0f}/CPU-s p50 {ours[2]['50']} p99 {ours[2]['99']}"
                          f" | bare {theirs[0]:9.0f}/s {theirs[1]:9.0f}/CPU-s | {ours[0] / theirs[0]:.3f}"
                          f" | {taken} pairs, {before} were there", flush=True)
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
