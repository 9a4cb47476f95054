"""KMS keys and aliases: life, names, tags, rotation, kinds."""

from .step import collector

STEPS, step = collector()


@step("a new key is described as AWS describes it")
def describe(walk):
    key = walk.key(Description="a walk")
    account, known = key["Arn"].split(":")[4], key["KeyId"]
    arn = f"arn:aws:kms:us-east-1:{account}:key/{known}"
    told = walk.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]
    for member, value in {
        "AWSAccountId": account, "KeyId": known, "Arn": arn,
        "Enabled": True, "Description": "a walk", "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled", "Origin": "AWS_KMS", "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"], "MultiRegion": False,
    }.items():
        walk.equal((member, told.get(member)), (member, value))
    listed = walk.call("ListKeys", Limit=1000)["Keys"]
    walk.equal([entry["KeyArn"] for entry in listed if entry["KeyId"] == known], [key["Arn"]])


@step("an alias can be moved and removed")
def aliases(walk):
    one, other = walk.key(), walk.key()
    alias = f"alias/moved-{one['KeyId'][:8]}"
    walk.call("CreateAlias", AliasName=alias, TargetKeyId=one["KeyId"])
    walk.call("UpdateAlias", AliasName=alias, TargetKeyId=other["KeyId"])
    walk.equal(walk.call("DescribeKey", KeyId=alias)["KeyMetadata"]["Arn"], other["Arn"])
    listed = walk.call("ListAliases", KeyId=other["KeyId"])["Aliases"]
    walk.equal([(entry["AliasName"], entry["TargetKeyId"]) for entry in listed],
               [(alias, other["KeyId"])])
    walk.call("DeleteAlias", AliasName=alias)
    arn = other["Arn"].split("key/")[0] + alias
    walk.refused("alias not found", "DescribeKey", where={"arn": arn}, KeyId=alias)
    walk.refused("alias without its prefix", "CreateAlias", AliasName="walk",
                 TargetKeyId=one["KeyId"])


@step("keys, aliases and blobs outlive a kill of the server")
def restart(walk):
    key = walk.key()
    alias = f"alias/kept-{key['KeyId'][:8]}"
    walk.call("CreateAlias", AliasName=alias, TargetKeyId=key["KeyId"])
    made = walk.call("GenerateDataKey", KeyId=alias, KeySpec="AES_256")
    walk.server.kill()
    walk.server.start()
    opened = walk.call("Decrypt", KeyId=alias, CiphertextBlob=made["CiphertextBlob"])
    walk.equal((opened["KeyId"], opened["Plaintext"]), (key["Arn"], made["Plaintext"]))


@step("what was sealed before a rotation still opens")
def rotation(walk):
    key = walk.key()["KeyId"]
    before = walk.call("Encrypt", KeyId=key, Plaintext="AAEC")["CiphertextBlob"]
    walk.call("EnableKeyRotation", KeyId=key)
    walk.equal(walk.call("GetKeyRotationStatus", KeyId=key)["KeyRotationEnabled"], True)
    walk.call("RotateKeyOnDemand", KeyId=key)
    after = walk.call("Encrypt", KeyId=key, Plaintext="AAEC")["CiphertextBlob"]
    for blob in (before, after):
        walk.equal(walk.call("Decrypt", CiphertextBlob=blob)["Plaintext"], "AAEC")
    waits = walk.key(Origin="EXTERNAL")["Arn"]
    walk.refused("origin", "EnableKeyRotation", where={"arn": waits, "origin": "EXTERNAL"},
                 KeyId=waits)


@step("tags are kept, and refused as AWS refuses them")
def tags(walk):
    key = walk.key(Tags=[{"TagKey": "line", "TagValue": "4"}])["KeyId"]
    walk.call("TagResource", KeyId=key, Tags=[{"TagKey": "Line", "TagValue": ""}])
    walk.call("UntagResource", KeyId=key, TagKeys=["line"])
    walk.equal(walk.call("ListResourceTags", KeyId=key)["Tags"],
               [{"TagKey": "Line", "TagValue": ""}])
    tag = {"TagKey": "a", "TagValue": "b"}
    for name, listed in [
        ("tag keys repeated", [tag, tag]),
        ("tag key reserved", [{**tag, "TagKey": "aws:a"}]),
    ]:
        walk.refused(name, "TagResource", KeyId=key, Tags=listed)
    long = "a" * 129
    walk.refused("tag key too long", "TagResource", where={"value": long}, KeyId=key,
                 Tags=[{**tag, "TagKey": long}])


@step("what is not built says so")
def not_built(walk):
    walk.refused("operation not built", "DescribeCustomKeyStores")
