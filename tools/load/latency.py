"""Latencies of the endpoint at given rates, from the moment each request was due, and its CPU.

    python3 tools/load/latency.py --keymill target/release/keymill --rates 5000,20000 \\
        --spec ECC_NIST_P256 --pool 1000000

The endpoint answers on core 0 with signatures verified and the audit log written, its producers on the
same core; `keymill bench` asks from core 1 on an open loop. The first rate begins when the pool is full; as
long as all of them take less than half of it (an eighth, of RSA), no producer refills meanwhile. The last
column is how late the client sent its requests: what that adds is none of the server's.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

from endpoint import TICKS, Endpoint, fail


def measure(endpoint, wanted, rate):
    """The report of `keymill bench`, with the share of a core that the server took."""
    time.sleep(wanted.pause)
    cpu, began = endpoint.cpu_seconds(), time.monotonic()
    run = subprocess.run(
        ["taskset", "-c", "1", wanted.keymill, "bench", "--json", "--endpoint", endpoint.url, "--rate", str(rate),
         "--duration", f"{wanted.seconds}s", "--connections", str(wanted.connections), "--spec", wanted.spec],
        env=endpoint.environment, capture_output=True, text=True)
    cpu, took = endpoint.cpu_seconds() - cpu, time.monotonic() - began
    if not run.stdout:
        fail(f"keymill bench says {run.stderr}")
    report = json.loads(run.stdout)
    a_cpu_second = report["answered"]["ok"] / max(cpu, 1 / TICKS)
    return {**report, "server_cpu_share": cpu / took, "answers_a_cpu_second": a_cpu_second}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keymill", required=True)
    parser.add_argument("--rates", default="5000,20000,40000,60000,80000", help="requests a second")
    parser.add_argument("--spec", default="ECC_NIST_P256")
    parser.add_argument("--pool", type=int, default=4_000_000, help="key pairs that the pool can hold")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--pause", type=int, default=6, help="seconds before each rate")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    reports, pool = [], f"{wanted.spec}={wanted.pool}"
    with tempfile.TemporaryDirectory() as scratch, Endpoint(wanted.keymill, pathlib.Path(scratch), pool) as endpoint:
        endpoint.wait_for(wanted.spec, wanted.pool * 99 // 100)
        if not wanted.json:
            print("requests/s | answered of | p50 | p99 | p99.9 | longest ms | CPU | answers a CPU second"
                  " | client late p99, p99.9 ms")
        for rate in map(int, wanted.rates.split(",")):
            report = measure(endpoint, wanted, rate)
            reports.append(report)
            if not wanted.json:
                ms, asked, answered = report["latency_ms"], report["asked"], report["answered"]
                late = report["sent"]["late_ms"]
                print(f"{rate} | {answered['ok']} of {asked['requests']} | {ms['p50']:.2f} | {ms['p99']:.2f}"
                      f" | {ms['p99.9']:.1f} | {ms['longest']:.1f} | {report['server_cpu_share']:.0%}"
                      f" | {report['answers_a_cpu_second']:.0f} | {late['p99']:.2f}, {late['p99.9']:.1f}", flush=True)
    if wanted.json:
        print(json.dumps(reports, indent=1))


if __name__ == "__main__":
    main()
