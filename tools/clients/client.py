"""A client under test: a process that is told calls and tells answers, one line of JSON each.

First it says who it is:

    {"client": "boto3 1.44.8", "unmodelled": "ClientError", "tries": 3}

`tries` is how often it sends a call that is throttled; `unmodelled` the class of the errors that it
has no class of its own for (a client without `unmodelled` has no classes); `corrects_clock` is set
where it takes the time from the answer to a call that came too early or late. Then for each call

    {"endpoint": ..., "region": ..., "access_key_id": ..., "secret_access_key": ...,
     "session_token": ..., "operation": "Decrypt", "members": {"CiphertextBlob": "<base64>"}}

it answers one of

    {"output": {...}, "attempts": 1}
    {"code": "DisabledException", "message": "...", "class": ..., "status": 400, "attempts": 1}
    {"lacks": "no parameter DryRun"}        the client could not be brought to send this

Members are those of the API, blobs in base64. What a client cannot tell it leaves out.
"""

import json
import subprocess
from dataclasses import dataclass

# Errors that no model of KMS has, so that no client has a class for them.
UNMODELLED = {
    "AccessDeniedException", "ValidationException", "ThrottlingException",
    "InvalidSignatureException", "UnknownOperationException", "UnrecognizedClientException",
}


class Refused(Exception):
    """A call that the service refused."""

    def __init__(self, told):
        self.code, self.message = told["code"], told["message"]
        self.kind, self.status = told.get("class"), told.get("status")
        self.attempts = told.get("attempts")
        super().__init__(f"{self.code}: {self.message!r}")


class Lacks(Exception):
    """A call that this client cannot express."""


@dataclass(frozen=True)
class Principal:
    """Somebody with an access key, in a Region."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    region: str = "us-east-1"


class Client:
    """The process of one client."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        hello = self.read()
        self.name = hello["client"]
        self.unmodelled = hello.get("unmodelled")
        self.tries = hello["tries"]
        self.corrects_clock = hello.get("corrects_clock", False)
        self.calls = 0

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client ended with {self.process.wait()}")
        return json.loads(line)

    def call(self, endpoint, principal, operation, members):
        """The output's members, and how often the call was sent."""
        asked = {"endpoint": endpoint, **vars(principal), "operation": operation,
                 "members": members}
        self.calls += 1
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        told = self.read()
        if "lacks" in told:
            raise Lacks(told["lacks"])
        if "output" not in told:
            raise Refused(told)
        output = {name: value for name, value in told["output"].items() if value is not None}
        return output, told.get("attempts")

    def class_of(self, code):
        """The class that an error of this code must have; none where the client has no classes."""
        return self.unmodelled and (self.unmodelled if code in UNMODELLED else code)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
