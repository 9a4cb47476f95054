"""What `ratio.py` and `latency.py` share: a server on core 0, and what is asked of it from core 1.

A machine of two cores is enough, and nothing else should be at work there.
"""

import http.client
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A process on core 0, which has printed its address. `said` is what it printed up to there."""

    def __init__(self, command):
        self.process = subprocess.Popen(["taskset", "-c", "0", *command], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if match := re.search(r"^(?:keymill: listening on )?(http://[\d.:]+)$", line):
                self.url = match[1]
                return
        # It closed its output: it has ended, or is about to.
        fail(f"{command[0]} did not start:\n{self.said}")

    def cpu_seconds(self):
        """Of all its threads."""
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / TICKS

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.process.terminate()
        self.process.wait()


class Endpoint(Server):
    """keymill, which verifies signatures and writes its audit log."""

    def __init__(self, keymill, scratch, pool, *more):
        super().__init__([keymill, "--home", scratch / "home", "serve", "--listen", "127.0.0.1:0", "--threads",
                          "1", "--pool", pool, "--audit", scratch / "audit", "--admin", "127.0.0.1:0", *more])
        self.admin = re.search(r"weather at (\S+)", self.said)[1]
        exports = re.findall(r"(AWS_\w+)=(\S+)", self.said)
        others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = others | {name: shlex.split(value)[0] for name, value in exports}

    def presign(self, spec, path, distinct=0):
        """Writes a signed request for a pair of `spec` to `path`, or so many that differ; they are good for
        five minutes. Returns the first."""
        body = json.dumps({"KeyId": "alias/default", "KeyPairSpec": spec})
        run = subprocess.run([sys.executable, HERE / "presign.py", "--endpoint", self.url, "--body", body,
                              "--distinct", str(distinct)],
                             env=self.environment, check=True, capture_output=True, text=True)
        path.write_text(run.stdout)
        return json.loads(run.stdout.splitlines()[0])

    def ask(self, request):
        """Length of the answer to a signed request."""
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc)
        connection.request("POST", "/", request["body"], request["headers"])
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            fail(f"the endpoint answers {answer.status} {body.decode()}")
        return len(body)

    def level(self, spec):
        """Pairs that are there, those of RSA counted that are primes still."""
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=60) as answer:
            metrics = answer.read().decode()
        pairs = re.findall(rf'^keymill_pool_(?:ready|prime)_pairs\{{spec="{spec}"\}} (\d+)', metrics, re.MULTILINE)
        return sum(map(int, pairs))

    def wait_for(self, spec, pairs, patience=60):
        """Waits for so many pairs, as long as there come more."""
        there, end = self.level(spec), time.monotonic() + patience
        while there < pairs:
            time.sleep(0.2)
            before, there = there, self.level(spec)
            if there > before:
                end = time.monotonic() + patience
            elif time.monotonic() > end:
                fail(f"the pool holds {there} pairs, and {pairs} were asked for")


def fail(text):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {text}")
