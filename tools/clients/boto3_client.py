#!/usr/bin/env python3
"""boto3, called by `walk.py`: one line of JSON in, one out; `client.py` describes them."""

import base64
import functools
import json
import sys

import boto3
import botocore
from botocore.exceptions import ClientError, ParamValidationError


@functools.cache
def client(endpoint, region, access_key_id, secret_access_key, session_token):
    return boto3.client(
        "kms",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        aws_session_token=session_token or None,
    )


def call(kms, operation, members):
    method = botocore.xform_name(operation)
    model = kms.meta.service_model.operation_model(operation)
    for name, shape in model.input_shape.members.items():
        if name in members and shape.type_name == "blob":
            members[name] = base64.b64decode(members[name])
    try:
        output = getattr(kms, method)(**members)
    except ParamValidationError as error:
        return {"lacks": str(error)}
    except ClientError as error:
        told = error.response
        return {
            "code": told["Error"]["Code"],
            "message": told["Error"]["Message"],
            "class": type(error).__name__,
            "status": told["ResponseMetadata"]["HTTPStatusCode"],
            "attempts": told["ResponseMetadata"]["RetryAttempts"] + 1,
        }
    attempts = output.pop("ResponseMetadata")["RetryAttempts"] + 1
    return {"output": output, "attempts": attempts}


def text(value):
    """Blobs as base64; dates as text."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def main():
    hello = {"client": f"boto3 {boto3.__version__}", "unmodelled": "ClientError", "tries": 3}
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        kms = client(*(asked[part] for part in (
            "endpoint", "region", "access_key_id", "secret_access_key", "session_token")))
        answer = call(kms, asked["operation"], asked["members"])
        print(json.dumps(answer, default=text), flush=True)


if __name__ == "__main__":
    main()
