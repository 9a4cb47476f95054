#!/usr/bin/env python3
"""The AWS Encryption SDK for Python: real messages, their data keys from the endpoint.

`run` gives it a server by the environment that any AWS client reads. Prints a line a check; ends
with a traceback at the first that fails.
"""

import logging
import os

import aws_encryption_sdk
import boto3
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError

client = aws_encryption_sdk.EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
# It logs every message that does not open, which is what half of this is about.
logging.getLogger("aws_encryption_sdk").setLevel(logging.CRITICAL)
logging.getLogger("aws_encryption_sdk.streaming_client").setLevel(logging.CRITICAL)
CONTEXT = {"line": "4"}


def keys(*arns):
    return aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=arns)


def refused(what, **options):
    try:
        client.decrypt(**options)
    except AWSEncryptionSDKClientError as error:
        print(f"ok      {what}: {type(error).__name__}")
        return
    raise AssertionError(f"{what} was decrypted")


def check(plaintext, *arns):
    """A message under every one of the keys, and opened by each alone."""
    sealed, _ = client.encrypt(
        source=plaintext, key_provider=keys(*arns), encryption_context=CONTEXT)
    for arn in arns:
        opened, header = client.decrypt(source=sealed, key_provider=keys(arn))
        assert opened == plaintext
        assert CONTEXT.items() <= header.encryption_context.items()
    print(f"ok      {len(plaintext)} bytes under {len(arns)} keys, opened by each")
    return sealed


def main():
    kms = boto3.client("kms")
    one, other = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    check(b"", one)
    check(os.urandom(100_000), one, other)
    sealed = check(b"a message", one)
    discovery = aws_encryption_sdk.DiscoveryAwsKmsMasterKeyProvider()
    assert client.decrypt(source=sealed, key_provider=discovery)[0] == b"a message"
    print("ok      the key is found by its ARN in the message")
    refused("a message for another key", source=sealed, key_provider=keys(other))
    altered = sealed.replace(b"line", b"Line")
    refused("a message with another context", source=altered, key_provider=keys(one))


if __name__ == "__main__":
    main()
