"""Signs one request, for load generators that cannot sign: it is good for five minutes.

    eval "$(keymill serve ...)"                     # or whatever sets AWS_ACCESS_KEY_ID and the rest
    python3 tools/load/presign.py > request.json    # method, path, headers and body, on one line
    wrk -t1 -c16 -d30s -s tools/load/wrk.lua "$AWS_ENDPOINT_URL_KMS"

Only the standard library is needed.
"""

import argparse
import datetime
import hashlib
import hmac
import json
import os
import sys
import urllib.parse
import uuid

SIGNED = "content-type;host;x-amz-date;x-amz-target"
INVOCATION = "amz-sdk-invocation-id"


def sign(url, region, access_key_id, secret, operation, body, now=None, invocation=None):
    """The headers of a signed request; the SDKs of some languages sign an id of each besides."""
    host = urllib.parse.urlsplit(url).netloc
    now = now or datetime.datetime.now(datetime.timezone.utc)
    date = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": host,
        "x-amz-date": date,
        "x-amz-target": f"TrentService.{operation}",
    }
    signed = SIGNED
    if invocation:
        headers[INVOCATION] = invocation
        signed = f"{INVOCATION};{SIGNED}"
    lines = "".join(f"{name}:{headers[name]}\n" for name in signed.split(";"))
    digest = hashlib.sha256(body.encode()).hexdigest()
    canonical = f"POST\n/\n\n{lines}\n{signed}\n{digest}"
    scope = f"{date[:8]}/{region}/kms/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = b"AWS4" + secret.encode()
    for part in [date[:8], region, "kms", "aws4_request", f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}"]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, "
        f"SignedHeaders={signed}, Signature={key.hex()}"
    )
    return headers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", default=os.environ.get("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:8181"))
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", "us-east-1"))
    parser.add_argument("--operation", default="GenerateDataKeyPairWithoutPlaintext")
    parser.add_argument("--body", default='{"KeyId": "alias/default", "KeyPairSpec": "ECC_NIST_P256"}')
    parser.add_argument("--distinct", type=int, default=0, metavar="N",
                        help="N requests, a line each, each with a context and a signed id of its own")
    wanted = parser.parse_args()
    try:
        access_key_id, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    except KeyError as missing:
        sys.exit(f"presign.py: {missing.args[0]} is not set")
    for number in range(max(wanted.distinct, 1)):
        body, invocation = wanted.body, None
        if wanted.distinct:
            body = json.dumps(json.loads(body) | {"EncryptionContext": {"serial": f"SN-{number:06}"}})
            invocation = str(uuid.uuid4())
        headers = sign(wanted.endpoint, wanted.region, access_key_id, secret, wanted.operation, body,
                       invocation=invocation)
        print(json.dumps({"method": "POST", "path": "/", "headers": headers, "body": body}))


if __name__ == "__main__":
    main()
