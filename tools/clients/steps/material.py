"""Whose material it is, and where: imports, and keys in many Regions."""

import secrets
from dataclasses import replace

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .step import collector, decoded, encoded

STEPS, step = collector()

HASHES = {"SHA_1": hashes.SHA1, "SHA_256": hashes.SHA256}
FOR_GOOD = "KEY_MATERIAL_DOES_NOT_EXPIRE"


def wrapped(material, algorithm, public_key):
    """`material` as its owner wraps it."""
    hashed = next(hashed() for name, hashed in HASHES.items() if algorithm.endswith(name))
    oaep = padding.OAEP(mgf=padding.MGF1(hashed), algorithm=hashed, label=None)
    public_key = load_der_public_key(decoded(public_key))
    if algorithm.startswith("RSAES"):
        return encoded(public_key.encrypt(material, oaep))
    inner = secrets.token_bytes(32)
    return encoded(public_key.encrypt(inner, oaep) + aes_key_wrap_with_padding(inner, material))


def imported(walk, key, material, algorithm="RSAES_OAEP_SHA_256", spec="RSA_2048"):
    """The members of an import."""
    given = walk.call("GetParametersForImport", KeyId=key, WrappingAlgorithm=algorithm,
                      WrappingKeySpec=spec)
    return {"KeyId": key, "ImportToken": given["ImportToken"], "ExpirationModel": FOR_GOOD,
            "EncryptedKeyMaterial": wrapped(material, algorithm, given["PublicKey"])}


@step("material is imported, however it was wrapped")
def imports(walk):
    for algorithm, spec in [
        ("RSAES_OAEP_SHA_1", "RSA_2048"), ("RSAES_OAEP_SHA_256", "RSA_3072"),
        ("RSA_AES_KEY_WRAP_SHA_1", "RSA_2048"), ("RSA_AES_KEY_WRAP_SHA_256", "RSA_4096"),
    ]:
        key = walk.key(Origin="EXTERNAL")["KeyId"]
        material = secrets.token_bytes(32)
        walk.call("ImportKeyMaterial", **imported(walk, key, material, algorithm, spec))
        told = walk.call("DescribeKey", KeyId=key)["KeyMetadata"]
        walk.equal((told["KeyState"], told["ExpirationModel"]), ("Enabled", FOR_GOOD))
        blob = walk.call("Encrypt", KeyId=key, Plaintext="AAEC")["CiphertextBlob"]
        walk.equal(walk.call("Decrypt", CiphertextBlob=blob)["Plaintext"], "AAEC")


@step("imported material can be taken away and given back, and no other")
def material_returns(walk):
    key, material = walk.key(Origin="EXTERNAL"), secrets.token_bytes(32)
    known, arn = key["KeyId"], {"arn": key["Arn"]}
    walk.refused("pending import", "GenerateDataKeyPairWithoutPlaintext", where=arn, KeyId=known,
                 KeyPairSpec="ECC_NIST_P256")
    first = imported(walk, known, material)
    walk.call("ImportKeyMaterial", **first)
    blob = walk.call("Encrypt", KeyId=known, Plaintext="AAEC")["CiphertextBlob"]
    walk.call("DeleteImportedKeyMaterial", KeyId=known)
    walk.refused("pending import", "Decrypt", where=arn, CiphertextBlob=blob)
    walk.refused("incorrect key material", "ImportKeyMaterial", where=arn,
                 **imported(walk, known, secrets.token_bytes(32)))
    walk.refused("invalid ciphertext", "ImportKeyMaterial",
                 **first | {"ImportToken": imported(walk, known, material)["ImportToken"]})
    walk.call("ImportKeyMaterial", **first)
    walk.equal(walk.call("Decrypt", CiphertextBlob=blob)["Plaintext"], "AAEC")
    other = walk.key(Origin="EXTERNAL")["KeyId"]
    walk.refused("invalid import token", "ImportKeyMaterial", **first | {"KeyId": other})
    own = walk.key()["Arn"]
    walk.refused("origin", "GetParametersForImport", where={"arn": own, "origin": "AWS_KMS"},
                 KeyId=own, WrappingKeySpec="RSA_2048", WrappingAlgorithm="RSAES_OAEP_SHA_256")


@step("a replica in another Region opens what its primary sealed")
def replicas(walk):
    key = walk.key(MultiRegion=True)["KeyId"]
    there = replace(walk.tester, region="eu-west-1")
    walk.equal(key.startswith("mrk-"), True)
    context = {"line": "4"}
    made = walk.call("GenerateDataKeyPair", KeyId=key, KeyPairSpec="ECC_NIST_P256",
                     EncryptionContext=context)
    replica = walk.call("ReplicateKey", KeyId=key, ReplicaRegion=there.region)
    replica = replica["ReplicaKeyMetadata"]
    walk.equal(replica["MultiRegionConfiguration"]["MultiRegionKeyType"], "REPLICA")
    opened = walk.call("Decrypt", by=there, EncryptionContext=context,
                       CiphertextBlob=made["PrivateKeyCiphertextBlob"])
    walk.equal((opened["KeyId"], opened["Plaintext"]),
               (replica["Arn"], made["PrivateKeyPlaintext"]))
    walk.refused("no primary", "ReplicateKey", by=there, where={"arn": replica["Arn"]}, KeyId=key,
                 ReplicaRegion="sa-east-1")
    deleted = walk.call("ScheduleKeyDeletion", KeyId=key)
    walk.equal(deleted.get("KeyState", "PendingReplicaDeletion"), "PendingReplicaDeletion")
    walk.call("Encrypt", by=there, KeyId=key, Plaintext="AAEC")
