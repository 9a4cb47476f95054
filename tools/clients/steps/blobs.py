"""Data keys and blobs: what opens, what does not, and what is too large."""

from .step import collector, decoded, encoded

STEPS, step = collector()


@step("a blob that was touched does not open")
def tampered(walk):
    key = walk.key()["Arn"]
    made = walk.call("GenerateDataKeyPairWithoutPlaintext", KeyId=key, KeyPairSpec="ECC_NIST_P256")
    blob = decoded(made["PrivateKeyCiphertextBlob"])

    def flipped(at):
        return blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1:]

    touched = [flipped(at) for at in (0, len(blob) // 2, len(blob) - 17, len(blob) - 1)]
    for other in [*touched, blob[:-1], blob + b"\0", b"\0"]:
        walk.refused("invalid ciphertext", "Decrypt", CiphertextBlob=encoded(other))


@step("a blob does not open under another key")
def incorrect_key(walk):
    key, other = walk.key()["Arn"], walk.key()["Arn"]
    blob = walk.call("Encrypt", KeyId=key, Plaintext="AAEC")["CiphertextBlob"]
    walk.refused("incorrect key", "Decrypt", CiphertextBlob=blob, KeyId=other)
    walk.refused("incorrect key", "ReEncrypt", CiphertextBlob=blob, SourceKeyId=other,
                 DestinationKeyId=other)


@step("a data key has the length that was asked for")
def data_keys(walk):
    key = walk.key()["Arn"]
    for asked, length in [
        ({"KeySpec": "AES_128"}, 16), ({"KeySpec": "AES_256"}, 32), ({"NumberOfBytes": 1}, 1),
        ({"NumberOfBytes": 1024}, 1024),
    ]:
        made = walk.call("GenerateDataKey", KeyId=key, **asked)
        walk.equal(len(decoded(made["Plaintext"])), length)
        opened = walk.call("Decrypt", CiphertextBlob=made["CiphertextBlob"])
        walk.equal(opened["Plaintext"], made["Plaintext"])
        sealed = walk.call("GenerateDataKeyWithoutPlaintext", KeyId=key, **asked)
        opened = walk.call("Decrypt", CiphertextBlob=sealed["CiphertextBlob"])
        walk.equal(len(decoded(opened["Plaintext"])), length)


@step("a private key moves to another KMS key and context")
def re_encrypted(walk):
    key, other = walk.key()["Arn"], walk.key()["Arn"]
    made = walk.call("GenerateDataKeyPair", KeyId=key, KeyPairSpec="ECC_NIST_P256",
                     EncryptionContext={"at": "one"})
    moved = walk.call("ReEncrypt", CiphertextBlob=made["PrivateKeyCiphertextBlob"],
                      SourceEncryptionContext={"at": "one"}, DestinationKeyId=other,
                      DestinationEncryptionContext={"at": "two"})
    walk.equal((moved["SourceKeyId"], moved["KeyId"]), (key, other))
    opened = walk.call("Decrypt", CiphertextBlob=moved["CiphertextBlob"],
                       EncryptionContext={"at": "two"})
    walk.equal(opened["Plaintext"], made["PrivateKeyPlaintext"])


@step("sizes have their bounds")
def sizes(walk):
    walk.equal(len(decoded(walk.call("GenerateRandom", NumberOfBytes=1024)["Plaintext"])), 1024)
    walk.refused("number of bytes missing", "GenerateRandom")
    walk.refused("number too great", "GenerateRandom", NumberOfBytes=1025,
                 where={"value": 1025, "member": "numberOfBytes", "most": 1024})
    key = walk.key()["Arn"]
    walk.call("Encrypt", KeyId=key, Plaintext=encoded(bytes(4096)))
    walk.refused("plaintext too long", "Encrypt", KeyId=key, Plaintext=encoded(bytes(4097)))
