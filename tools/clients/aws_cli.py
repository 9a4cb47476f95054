#!/usr/bin/env python3
"""The AWS CLI, called by `walk.py`: one line of JSON in, one out; `client.py` describes them.

Each call is a process of its own, in which the command runs as from a shell: it reads its arguments
and environment, and writes to its streams. It is forked from this one, which has started the
command already and read its description of KMS; that saves two thirds of the time.
"""

import base64
import json
import os
import pathlib
import re
import sys
import tempfile

import awscli
import awscli.clidriver
import botocore

# Members that the command reads from files: in --cli-input-json it would take base64 as it is.
BLOBS = {"CiphertextBlob", "Plaintext", "Message", "Signature", "Mac", "ImportToken",
         "EncryptedKeyMaterial"}
REFUSED = re.compile(
    r"An error occurred \((\w+)\) when calling the \w+ operation"
    r"(?: \(reached max retries: (\d+)\))?: ?(.*)", re.S)


def command_line(operation, members, folder):
    line = ["kms", botocore.xform_name(operation, "-"), "--output", "json"]
    blobs = {name: value for name, value in members.items() if name in BLOBS}
    for name, value in blobs.items():
        file = folder / name
        file.write_bytes(base64.b64decode(value))
        line += ["--" + botocore.xform_name(name, "-"), f"fileb://{file}"]
    rest = {name: value for name, value in members.items() if name not in blobs}
    return line + ["--cli-input-json", json.dumps(rest)]


def run(driver, line, environment, folder):
    """The command in a process of its own; its status and what it wrote."""
    child = os.fork()
    if child == 0:
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder / name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), stream)
        os.environ.update(environment)
        status = 255
        try:
            status = driver.main(line)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, (folder / "out").read_text(), (folder / "err").read_text()


def call(driver, asked, folder):
    environment = {
        "AWS_ENDPOINT_URL_KMS": asked["endpoint"],
        "AWS_DEFAULT_REGION": asked["region"],
        "AWS_ACCESS_KEY_ID": asked["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": asked["secret_access_key"],
    }
    if asked["session_token"]:
        environment["AWS_SESSION_TOKEN"] = asked["session_token"]
    line = command_line(asked["operation"], asked["members"], folder)
    status, out, err = run(driver, line, environment, folder)
    if status == 0:
        return {"output": json.loads(out or "{}")}
    refused = REFUSED.search(err)
    if refused is None:
        return {"lacks": err.strip().splitlines()[-1] if err.strip() else f"status {status}"}
    code, retries, message = refused.groups()
    attempts = int(retries) + 1 if retries else None
    return {"code": code, "message": message.strip(), "attempts": attempts}


def main():
    driver = awscli.clidriver.create_clidriver()
    driver.session.get_service_model("kms")
    print(json.dumps({"client": f"awscli {awscli.__version__}", "tries": 5}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            answer = call(driver, json.loads(line), pathlib.Path(folder))
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
