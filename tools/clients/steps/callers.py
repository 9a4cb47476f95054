"""Who calls, and how often: accounts, policies, grants, signatures, clocks, quotas."""

import json
import shutil
from dataclasses import replace

from client import Lacks, Refused

from .step import collector

STEPS, step = collector()

# Calls as fast as the client makes them, at two a second: one must be throttled and come again.
CALLS_MAX = 20
PAIR = "GenerateDataKeyPairWithoutPlaintext"


def user_of(principal, key):
    """The ARN of a user of the account that `key` is in."""
    name = principal.access_key_id.removeprefix("AKID").lower()
    return f"arn:aws:iam::{key.split(':')[4]}:user/{name}"


@step("another account's key is shut until its policy opens it")
def other_account(walk):
    key = walk.call("CreateKey", by=walk.stranger)["KeyMetadata"]
    own = walk.key()["Arn"]
    asked = {"KeyId": key["Arn"], "KeyPairSpec": "ECC_NIST_P256"}
    user = user_of(walk.tester, own)
    walk.refused("access denied, key hidden", PAIR, where={"user": user}, **asked)
    own_arn = own.split("key/")[0] + "key/" + key["KeyId"]
    walk.refused("key not found", PAIR, where={"arn": own_arn}, **asked | {"KeyId": key["KeyId"]})
    policy_of = {"KeyId": key["KeyId"], "PolicyName": "default"}
    policy = json.loads(walk.call("GetKeyPolicy", by=walk.stranger, **policy_of)["Policy"])
    policy["Statement"].append({
        "Effect": "Allow", "Principal": {"AWS": user}, "Action": f"kms:{PAIR}", "Resource": "*"})
    walk.call("PutKeyPolicy", by=walk.stranger, Policy=json.dumps(policy), **policy_of)
    walk.equal(walk.call(PAIR, **asked)["KeyId"], key["Arn"])


@step("a policy that denies one spec denies that one")
def denied_spec(walk):
    key = walk.key()["Arn"]
    policy_of = {"KeyId": key, "PolicyName": "default"}
    policy = json.loads(walk.call("GetKeyPolicy", **policy_of)["Policy"])
    policy["Statement"].append({
        "Effect": "Deny", "Principal": "*", "Action": "kms:GenerateDataKeyPair*", "Resource": "*",
        "Condition": {"StringLike": {"kms:DataKeyPairSpec": "RSA*"}}})
    walk.call("PutKeyPolicy", Policy=json.dumps(policy), **policy_of)
    walk.call(PAIR, KeyId=key, KeyPairSpec="ECC_NIST_P256")
    walk.refused("access denied explicitly", PAIR, KeyId=key, KeyPairSpec="RSA_2048",
                 where={"arn": key, "user": user_of(walk.tester, key)})


@step("a grant lets a second user make pairs, and no more")
def grant(walk):
    key = walk.key()["Arn"]
    user = user_of(walk.nobody, key)
    denied = {"by": walk.nobody, "where": {"arn": key, "user": user}}
    asked = {"KeyId": key, "KeyPairSpec": "ECC_NIST_P256"}
    by_policy = "access denied by the user's own policy"
    walk.refused(by_policy, PAIR, **denied, **asked)
    given = walk.call("CreateGrant", KeyId=key, GranteePrincipal=user, Operations=[PAIR],
                      Constraints={"EncryptionContextSubset": {"line": "4"}})
    token, context = [given["GrantToken"]], {"line": "4", "serial": "SN-1"}
    made = walk.call(PAIR, by=walk.nobody, GrantTokens=token, EncryptionContext=context, **asked)
    walk.equal(made["KeyId"], key)
    walk.refused(by_policy, PAIR, GrantTokens=token, EncryptionContext={"line": "5"}, **denied,
                 **asked)
    walk.refused(by_policy, "GenerateDataKey", GrantTokens=token, EncryptionContext=context,
                 KeyId=key, KeySpec="AES_256", **denied)
    listed = walk.call("ListGrants", KeyId=key)["Grants"]
    walk.equal([(one["GrantId"], one["GranteePrincipal"], one["Operations"]) for one in listed],
               [(given["GrantId"], user, [PAIR])])
    walk.refused("invalid grant token", PAIR, GrantTokens=["bm8gdG9rZW4="], **asked)
    walk.call("RevokeGrant", KeyId=key, GrantId=given["GrantId"])
    walk.refused(by_policy, PAIR, EncryptionContext=context, **denied, **asked)


@step("a session's access key is good with its token only")
def session(walk):
    walk.call("GenerateRandom", by=walk.session, NumberOfBytes=1)
    for wrong in ("", "another"):
        other = replace(walk.session, session_token=wrong)
        walk.refused("unknown access key", "ListKeys", by=other)


@step("the way to the server can be encrypted")
def encrypted(walk):
    certificate = walk.server.home.certificate
    with walk.server.home.serve("--tls-cert", certificate, "--tls-key", certificate) as server:
        walk.equal(server.endpoint.split(":")[0], "https")
        walk.call("GenerateRandom", at=server, NumberOfBytes=1)


@step("a wrong secret and an unknown access key are refused")
def signature(walk):
    wrong = replace(walk.tester, secret_access_key="wrong")
    walk.refused("incorrect signature", "ListKeys", by=wrong)
    unknown = replace(walk.tester, access_key_id="AKIDUNKNOWN")
    walk.refused("unknown access key", "ListKeys", by=unknown)


@step("a clock that is ten minutes behind is told so, or corrected")
def skewed_clock(walk):
    if shutil.which("faketime") is None:
        raise Lacks("the command faketime, which sets the server's clock, is not installed")
    fake = ["env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", "-f", "+600s"]
    with walk.server.home.serve(before=fake) as ahead:
        if walk.client.corrects_clock:
            _, attempts = walk.send("ListKeys", {}, at=ahead)
            walk.equal(attempts, 2)
        else:
            walk.refused("clock behind", "ListKeys", at=ahead)


@step("a call that is always throttled is sent as often as the client does")
def throttled(walk):
    with walk.server.home.serve("--fault", "ThrottlingException=100%") as server:
        walk.refused("throttled", "ListKeys", at=server, attempts=walk.client.tries)


@step("a quota is kept, and the client's own retry gets through it")
def quota(walk):
    asked = {"KeyId": walk.key()["Arn"], "KeyPairSpec": "ECC_NIST_P256"}
    with walk.server.home.serve("--quotas", "ECC_NIST_P256=2") as server:
        for _ in range(CALLS_MAX):
            try:
                _, attempts = walk.send(PAIR, dict(asked), at=server)
            except Refused as error:
                # Luck: every one of the client's pauses was short.
                walk.equal((error.code, error.attempts), ("ThrottlingException", walk.client.tries))
                continue
            if attempts is None:
                raise Lacks("it does not tell how often it sent a call that got through")
            if attempts > 1:
                return
    raise RuntimeError(f"no retry of {CALLS_MAX} calls got through")
