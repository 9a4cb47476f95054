#!/usr/bin/env python3
"""Walks unchanged AWS clients through the endpoint, and compares what they are told.

Every client takes the same steps (`steps/`), against a `keymill serve` of its own. What a refusal
must say stands in `answers.json`. Prints a table, a row a step and a column a client;
exits non-zero if an answer was not as it should be. `run` installs the clients and calls this.

    walk.py --keymill target/release/keymill --client boto3_client.py --script encryption_sdk.py
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import steps
from client import Client, Lacks, Refused
from server import Home

HERE = pathlib.Path(__file__).parent
ANSWERS = json.loads((HERE / "answers.json").read_text())
STRANGER_ACCOUNT = "111122223333"
# What the user `nobody` may do by its own policy: nothing with a key.
NOBODY_POLICY = {"Statement": [{"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}]}


# What clients may read of the environment: nothing of this machine's own AWS.
ENVIRONMENT = {name: value for name, value in os.environ.items() if "AWS" not in name} | {
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "NODE_NO_WARNINGS": "1",
}


class Wrong(Exception):
    """An answer that is not what it should be."""


class Walk:
    """One client's way through the steps."""

    def __init__(self, client, server, principals):
        self.client, self.server = client, server
        self.tester, self.stranger, self.nobody, self.session = principals

    def send(self, operation, members, by=None, at=None):
        at = at or self.server
        return self.client.call(at.endpoint, by or self.tester, operation, members)

    def call(self, operation, *, by=None, at=None, **members):
        """The members of the answer."""
        return self.send(operation, members, by, at)[0]

    def refused(self, name, operation, *, by=None, at=None, where=(), attempts=1, **members):
        """Expects the refusal `name` of `answers.json`, with the values of `where` in its text."""
        expected = ANSWERS[name]
        try:
            output = self.call(operation, by=by, at=at, **members)
        except Refused as error:
            known = {"operation": operation, **dict(where)}
            self.equal(error.code, expected["code"])
            if not re.fullmatch(pattern(expected["message"], known), error.message, re.S):
                told = f"found {error.message!r}, expected {expected['message']!r}"
                raise Wrong(f"{name}: {told}") from None
            if error.kind is not None:
                self.equal(error.kind, self.client.class_of(error.code))
            self.equal(error.status or 400, 400)
            self.equal(error.attempts or attempts, attempts)
            return
        raise Wrong(f"{name} was expected of {operation}, found {output}")

    def equal(self, found, expected):
        if found != expected:
            raise Wrong(f"found {found!r}, expected {expected!r}")

    def key(self, **members):
        """A new KMS key: its metadata."""
        return self.call("CreateKey", **members)["KeyMetadata"]


def pattern(message, known):
    """What matches `message` with its {names} filled in."""
    def value(name):
        return re.escape(str(known[name[1]])) if name[1] in known else ".+"

    return re.sub(r"\\{(\w+)\\}", value, re.escape(message))


def take(step, walk):
    """`ok`, or what a table says instead, and why."""
    try:
        step.run(walk)
    except Lacks as error:
        return "-", str(error)
    except Exception as error:  # Whatever else it is, the step has failed.
        return "FAILED", f"{type(error).__name__}: {error}"
    return "ok", None


def trusting(certificate):
    """The variables by which clients are told to trust `certificate` besides."""
    return dict.fromkeys(["AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"],
                         str(certificate))


def walk_all(keymill, command, chosen):
    """The outcomes of all steps for one client, against a server of its own; and its name."""
    program = pathlib.Path(command)
    interpreter = {".py": [sys.executable], ".js": ["node"]}.get(program.suffix, [])
    with tempfile.TemporaryDirectory() as folder:
        home = Home(keymill, folder)
        principals = users(home)
        with home.serve() as server:
            client = Client([*interpreter, str(program)], ENVIRONMENT | trusting(home.certificate))
            walk = Walk(client, server, principals)
            started = time.monotonic()
            outcomes = {step.name: take(step, walk) for step in chosen}
            client.close()
    spent = time.monotonic() - started
    faults = [f"{client.name}: {name}: {why}" for name, (result, why) in outcomes.items()
              if result == "FAILED"]
    report = [f"{client.name}: {client.calls} calls in {spent:.0f} s", *faults]
    print("\n".join(report), file=sys.stderr, flush=True)
    return client.name, outcomes


def run_script(keymill, script):
    """The outcome of a program that makes its calls by itself; and its name."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(keymill, folder)
        user = home.principal("tester")
        with home.serve() as server:
            environment = ENVIRONMENT | {
                "AWS_ENDPOINT_URL_KMS": server.endpoint,
                "AWS_DEFAULT_REGION": user.region,
                "AWS_ACCESS_KEY_ID": user.access_key_id,
                "AWS_SECRET_ACCESS_KEY": user.secret_access_key,
            }
            ran = subprocess.run([sys.executable, script], env=environment, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    name = pathlib.Path(script).name
    print(f"{name}:\n{ran.stdout}", end="", file=sys.stderr, flush=True)
    return name, ("FAILED" if ran.returncode else "ok", None)


def table(columns):
    """A row a step, a column a client; then why a client did not take a step."""
    rows = list(next(iter(columns.values())))
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"  {name}" for name in columns)]
    for row in rows:
        cells = [f"  {outcomes[row][0]:<{len(name)}}" for name, outcomes in columns.items()]
        lines.append(f"{row:<{width}}" + "".join(cells).rstrip())
    reasons = {(name, why) for name, outcomes in columns.items()
               for result, why in outcomes.values() if result == "-"}
    return "\n".join(lines + [f"- {name}: {why}" for name, why in sorted(reasons)])


def users(home):
    """The tester, users of two kinds beside it, and a session of the tester."""
    policy = home.folder / "nobody.json"
    policy.write_text(json.dumps(NOBODY_POLICY))
    return (home.principal("tester"), home.principal("stranger", "--account-id", STRANGER_ACCOUNT),
            home.principal("nobody", "--policy", policy), home.session("tester"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--keymill", required=True, type=pathlib.Path)
    arguments.add_argument("--client", required=True, action="append", dest="clients",
                           help="a program that `client.py` describes")
    arguments.add_argument("--script", action="append", dest="scripts", default=[],
                           help="a program that makes its calls by itself")
    arguments.add_argument("--step", default="", help="only steps whose names hold this text")
    arguments.add_argument("--json", action="store_true", help="print the table as JSON")
    wanted = arguments.parse_args()
    keymill = wanted.keymill.resolve()
    chosen = [step for step in steps.ALL if wanted.step in step.name]
    with ThreadPoolExecutor() as pool:
        walks = [pool.submit(walk_all, keymill, client, chosen) for client in wanted.clients]
        runs = [pool.submit(run_script, keymill, script) for script in wanted.scripts]
        columns = dict(walk.result() for walk in walks)
        scripts = dict(run.result() for run in runs)
    results = [result for outcomes in [*columns.values(), scripts]
               for result, _ in outcomes.values()]
    told = json.dumps(columns | {"scripts": scripts}, indent=2) if wanted.json else table(columns)
    print(told, flush=True)
    print(f"{results.count('ok')} passed, {results.count('FAILED')} failed", file=sys.stderr)
    sys.exit("FAILED" in results)


if __name__ == "__main__":
    main()
