"""Data key pairs: every spec, every form of a KeyId, contexts, dry runs."""

import functools
import sys
from dataclasses import replace
from pathlib import Path

from .step import Step, collector, decoded

sys.path.append(str(Path(__file__).parents[2]))
import key_pairs  # noqa: E402

STEPS, step = collector()

SPECS = """RSA_2048 RSA_3072 RSA_4096 ECC_NIST_P256 ECC_NIST_P384 ECC_NIST_P521 ECC_SECG_P256K1
    ECC_NIST_EDWARDS25519 SM2 ML_KEM_512 ML_KEM_768 ML_KEM_1024""".split()
PAIR = "GenerateDataKeyPairWithoutPlaintext"
ABSENT = "00000000-0000-4000-8000-000000000000"


def opens_and_matches(spec, walk):
    """A pair's private key is opened, and belongs to the public one."""
    # SM2 is offered in China only.
    region = "cn-north-1" if spec == "SM2" else "us-east-1"
    by = replace(walk.tester, region=region)
    key = walk.call("CreateKey", by=by)["KeyMetadata"]["Arn"]
    context = {"serial": "SN-1"}
    made = walk.call(PAIR, by=by, KeyId=key, KeyPairSpec=spec, EncryptionContext=context)
    walk.equal((made["KeyId"], made["KeyPairSpec"]), (key, spec))
    opened = walk.call("Decrypt", by=by, CiphertextBlob=made["PrivateKeyCiphertextBlob"],
                       EncryptionContext=context)
    walk.equal((opened["KeyId"], opened["EncryptionAlgorithm"]), (key, "SYMMETRIC_DEFAULT"))
    key_pairs.judge_of(spec)(decoded(opened["Plaintext"]), decoded(made["PublicKey"]))


STEPS += [Step(f"{spec} opens and matches", functools.partial(opens_and_matches, spec))
          for spec in SPECS]


@step("the private key in the clear is the one in the blob")
def plaintext(walk):
    made = walk.call("GenerateDataKeyPair", KeyId=walk.key()["Arn"], KeyPairSpec="ECC_NIST_P256")
    opened = walk.call("Decrypt", CiphertextBlob=made["PrivateKeyCiphertextBlob"])
    walk.equal(opened["Plaintext"], made["PrivateKeyPlaintext"])


@step("SM2 is offered in China only, ML-KEM elsewhere")
def regions(walk):
    for region, spec in [("us-east-1", "SM2"), ("cn-north-1", "ML_KEM_768")]:
        by = replace(walk.tester, region=region)
        key = walk.call("CreateKey", by=by)["KeyMetadata"]["Arn"]
        partition = "aws-cn" if region.startswith("cn-") else "aws"
        walk.equal(key.split(":")[1:4], [partition, "kms", region])
        walk.refused("spec not in this region", PAIR, by=by, KeyId=key, KeyPairSpec=spec,
                     where={"spec": spec})


def names(walk, key):
    """The four forms of a KeyId."""
    alias = f"alias/walk-{key['KeyId'][:8]}"
    walk.call("CreateAlias", AliasName=alias, TargetKeyId=key["KeyId"])
    return [key["KeyId"], key["Arn"], alias, key["Arn"].split("key/")[0] + alias]


@step("a key answers to its id, its ARN, its alias and the alias's ARN")
def key_ids(walk):
    key = walk.key()
    for name in names(walk, key):
        made = walk.call(PAIR, KeyId=name, KeyPairSpec="ECC_NIST_P256")
        walk.equal(made["KeyId"], key["Arn"])
        walk.equal(walk.call("DescribeKey", KeyId=name)["KeyMetadata"]["KeyId"], key["KeyId"])
        blob = walk.call("Encrypt", KeyId=name, Plaintext="AAEC")["CiphertextBlob"]
        opened = walk.call("Decrypt", KeyId=name, CiphertextBlob=blob)
        walk.equal((opened["KeyId"], opened["Plaintext"]), (key["Arn"], "AAEC"))


@step("a disabled key makes no pair, whatever it is called by")
def disabled(walk):
    key = walk.key()
    forms = names(walk, key)
    blob = walk.call(PAIR, KeyId=key["Arn"], KeyPairSpec="ECC_NIST_P256")
    walk.call("DisableKey", KeyId=key["KeyId"])
    where = {"arn": key["Arn"]}
    for name in forms:
        walk.refused("disabled", PAIR, where=where, KeyId=name, KeyPairSpec="ECC_NIST_P256")
    walk.refused("disabled", "Decrypt", where=where,
                 CiphertextBlob=blob["PrivateKeyCiphertextBlob"])
    walk.call("EnableKey", KeyId=key["KeyId"])
    walk.call(PAIR, KeyId=key["Arn"], KeyPairSpec="ECC_NIST_P256")


@step("a key that is to be deleted makes no pair")
def pending_deletion(walk):
    key = walk.key()
    asked = {"KeyId": key["KeyId"], "KeyPairSpec": "ECC_NIST_P256"}
    told = walk.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=7)
    walk.equal((told["KeyId"], told["KeyState"]), (key["Arn"], "PendingDeletion"))
    walk.refused("pending deletion", PAIR, where={"arn": key["Arn"]}, **asked)
    walk.equal(walk.call("CancelKeyDeletion", KeyId=key["KeyId"])["KeyId"], key["Arn"])
    walk.refused("disabled", PAIR, where={"arn": key["Arn"]}, **asked)


@step("a key that waits for its material makes no pair")
def pending_import(walk):
    key = walk.key(Origin="EXTERNAL")
    walk.equal(key["KeyState"], "PendingImport")
    walk.refused("pending import", PAIR, where={"arn": key["Arn"]}, KeyId=key["KeyId"],
                 KeyPairSpec="ECC_NIST_P256")


@step("what is no key is not found")
def unknown(walk):
    region = walk.key()["Arn"].split("key/")[0]
    for name, where, key_id in [
        ("invalid key id", {"id": "fake-key-id"}, "fake-key-id"),
        ("invalid key id", {"id": "mrk-fake-key-id"}, "mrk-fake-key-id"),
        ("invalid key id", {"id": ABSENT.replace("-", "")}, ABSENT.replace("-", "")),
        ("key not found", {"arn": f"{region}key/{ABSENT}"}, ABSENT),
        ("key not found", {"arn": f"{region}key/{ABSENT}"}, f"{region}key/{ABSENT}"),
        ("alias not found", {"arn": f"{region}alias/nobody"}, "alias/nobody"),
        ("alias not found", {"arn": f"{region}alias/nobody"}, f"{region}alias/nobody"),
        ("other region", {"region": "eu-west-1"},
         f"{region}key/{ABSENT}".replace("us-east-1", "eu-west-1")),
    ]:
        walk.refused(name, PAIR, where=where, KeyId=key_id, KeyPairSpec="RSA_2048")


@step("an unknown KeyPairSpec is told the known ones")
def unknown_spec(walk):
    walk.refused("invalid key spec", PAIR, where={"value": "RSA_20", "member": "keyPairSpec"},
                 KeyId=walk.key()["Arn"], KeyPairSpec="RSA_20")


@step("a dry run makes nothing, and says that it would")
def dry_run(walk):
    key, waits = walk.key()["Arn"], walk.key(Origin="EXTERNAL")["Arn"]
    for operation in (PAIR, "GenerateDataKeyPair"):
        walk.refused("dry run", operation, KeyId=key, KeyPairSpec="RSA_4096", DryRun=True)
    walk.refused("dry run", "GenerateDataKey", KeyId=key, KeySpec="AES_256", DryRun=True)
    walk.refused("pending import", PAIR, where={"arn": waits}, KeyId=waits,
                 KeyPairSpec="RSA_4096", DryRun=True)
    walk.refused("invalid key spec", PAIR, KeyId=key, KeyPairSpec="RSA_20", DryRun=True)


@step("a pair opens under its own context only")
def contexts(walk):
    key = walk.key()["Arn"]
    context = {"serial": "SN-1", "Batch": "\u00e4\U0001f511"}
    blob = walk.call(PAIR, KeyId=key, KeyPairSpec="ECC_NIST_P256", EncryptionContext=context)
    blob = blob["PrivateKeyCiphertextBlob"]
    turned = dict(reversed(context.items()))
    walk.call("Decrypt", CiphertextBlob=blob, EncryptionContext=turned)
    for other in [
        {}, {"serial": "SN-1"}, {**context, "more": "x"}, {**context, "serial": "SN-2"},
        {**context, "serial": "sn-1"}, {"Serial": "SN-1", "Batch": context["Batch"]},
    ]:
        walk.refused("invalid ciphertext", "Decrypt", CiphertextBlob=blob, EncryptionContext=other)


@step("contexts that read alike when run together are not taken for one another")
def ambiguous_contexts(walk):
    key = walk.key()["Arn"]
    for one, other in [
        ({"ab": "c"}, {"a": "bc"}),
        ({"a": "b", "c": "d"}, {"a": "b,c=d"}),
        ({"a": "b", "c": "d"}, {"a": "bcd"}),
        ({"a": "b", "aws-crypto-public-key": "x"}, {"a": "b"}),
        ({"a": "b", "aws-crypto-public-key": "x"}, {"a": "b", "aws-crypto-public-key": "y"}),
    ]:
        made = walk.call(PAIR, KeyId=key, KeyPairSpec="ECC_NIST_P256", EncryptionContext=one)
        walk.refused("invalid ciphertext", "Decrypt", EncryptionContext=other,
                     CiphertextBlob=made["PrivateKeyCiphertextBlob"])


@step("no two pairs are the same")
def unique(walk):
    key = walk.key()["Arn"]
    made = [walk.call(PAIR, KeyId=key, KeyPairSpec=spec)
            for spec in ("ECC_NIST_P256", "RSA_2048") for _ in range(4)]
    for member in ("PublicKey", "PrivateKeyCiphertextBlob"):
        walk.equal(len({pair[member] for pair in made}), len(made))
