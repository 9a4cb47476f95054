"""Load by Locust with an unchanged boto3, retries and all.

    pip install locust boto3
    locust -f tools/load/locustfile.py --headless --users 16 --run-time 30s

The SDK finds endpoint, Region and access key in its usual environment variables
(AWS_ENDPOINT_URL_KMS, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY). KEY_ID and SPECS
(`RSA_2048=30,ECC_NIST_P256=70`) say what is asked for.
"""

import os
import random
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from locust import User, constant, events, task

KEY_ID = os.environ.get("KEY_ID", "alias/default")
SHARES = dict(
    part.split("=") for part in os.environ.get("SPECS", "RSA_2048=30,ECC_NIST_P256=70").split(",")
)
SPECS, WEIGHTS = list(SHARES), [float(share) for share in SHARES.values()]


class Caller(User):
    wait_time = constant(0)

    def on_start(self):
        config = Config(retries={"mode": "standard", "max_attempts": 3})
        self.kms = boto3.client("kms", config=config)

    @task
    def generate(self):
        spec = random.choices(SPECS, WEIGHTS)[0]
        begun, error, size = time.perf_counter(), None, 0
        try:
            answer = self.kms.generate_data_key_pair_without_plaintext(
                KeyId=KEY_ID, KeyPairSpec=spec
            )
            size = len(answer["PrivateKeyCiphertextBlob"])
        except (BotoCoreError, ClientError) as failure:
            error = failure
        events.request.fire(
            request_type="KMS",
            name=spec,
            response_time=(time.perf_counter() - begun) * 1000,
            response_length=size,
            exception=error,
        )
