#!/usr/bin/env python3
"""Walks the endpoint with an unchanged boto3: every spec, the forms of a KeyId, and refusals.

Starts `keymill serve` with a home of its own. Needs boto3 and cryptography; exits non-zero at the
first answer that is not as it should be.

    tools/endpoint.py --keymill target/release/keymill
"""

import argparse
import pathlib
import re
import socket
import subprocess
import tempfile

import boto3
from botocore.exceptions import ClientError
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization as form

SPECS = """RSA_2048 RSA_3072 RSA_4096 ECC_NIST_P256 ECC_NIST_P384 ECC_NIST_P521 ECC_SECG_P256K1
    ECC_NIST_EDWARDS25519 ML_KEM_512 ML_KEM_768 ML_KEM_1024""".split()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def client(serve, address):
    """A client with the credentials that the first `serve` prints once."""
    told = ""
    while "listening" not in told:
        line = serve.stdout.readline()
        assert line, f"the endpoint ended: {told}"
        told += line
    credentials = dict(re.findall(r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY)=(\S+)", told))
    return boto3.client(
        "kms",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=credentials["ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["SECRET_ACCESS_KEY"],
    )


def refused(code, message, call, **members):
    try:
        call(**members)
    except ClientError as error:
        told = error.response["Error"]
        assert (told["Code"], told["Message"]) == (code, message), told
        return
    raise AssertionError(f"{code} was expected")


def walk(kms):
    key = kms.create_key(Description="a walk")["KeyMetadata"]
    kms.create_alias(AliasName="alias/walk", TargetKeyId=key["KeyId"])
    alias_arn = key["Arn"].split("key/")[0] + "alias/walk"
    pair = kms.generate_data_key_pair_without_plaintext
    for name in [key["KeyId"], key["Arn"], "alias/walk", alias_arn]:
        assert pair(KeyId=name, KeyPairSpec="ECC_NIST_P256")["KeyId"] == key["Arn"], name
    context = {"serial": "SN-1"}
    for spec in SPECS:
        made = pair(KeyId="alias/walk", KeyPairSpec=spec, EncryptionContext=context)
        blob = made["PrivateKeyCiphertextBlob"]
        private = kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"]
        try:
            public = form.load_der_private_key(private, None).public_key()
        except UnsupportedAlgorithm:
            print(f"{spec}: opened; this cryptography cannot load it")
            continue
        encoded = public.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
        assert encoded == made["PublicKey"], spec
        print(f"{spec}: opened and matched")
    refused("InvalidCiphertextException", "", kms.decrypt,
            CiphertextBlob=blob, EncryptionContext={"serial": "SN-2"})
    refused("NotFoundException", "Invalid keyId 'fake-key-id'", pair,
            KeyId="fake-key-id", KeyPairSpec="RSA_2048")
    refused("DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.", pair,
            KeyId="alias/walk", KeyPairSpec="RSA_2048", DryRun=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--keymill", required=True, type=pathlib.Path)
    keymill = arguments.parse_args().keymill.resolve()
    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as home:
        command = [keymill, "--home", f"{home}/keymill", "serve", "--listen", address]
        serve = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            walk(client(serve, f"http://{address}"))
        finally:
            serve.terminate()
            serve.wait(timeout=10)
    print("the endpoint: all checks passed")


if __name__ == "__main__":
    main()
