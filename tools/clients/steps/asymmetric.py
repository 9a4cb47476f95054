"""Asymmetric and HMAC keys: they wrap nothing, and what they make is real."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .step import collector, decoded, encoded

STEPS, step = collector()

PAIR = "GenerateDataKeyPairWithoutPlaintext"
MESSAGE = b"to be signed"


def salted(function):
    return padding.PSS(mgf=padding.MGF1(function), salt_length=function.digest_size)


# How another library verifies: by key spec and algorithm, what it is told besides the message.
ANOTHER_LIBRARY = {
    ("ECC_NIST_P256", "ECDSA_SHA_256"): [ec.ECDSA(hashes.SHA256())],
    ("ECC_NIST_P384", "ECDSA_SHA_384"): [ec.ECDSA(hashes.SHA384())],
    ("ECC_NIST_P521", "ECDSA_SHA_512"): [ec.ECDSA(hashes.SHA512())],
    ("ECC_SECG_P256K1", "ECDSA_SHA_256"): [ec.ECDSA(hashes.SHA256())],
    ("RSA_2048", "RSASSA_PSS_SHA_256"): [salted(hashes.SHA256()), hashes.SHA256()],
    ("RSA_3072", "RSASSA_PSS_SHA_512"): [salted(hashes.SHA512()), hashes.SHA512()],
    ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_384"): [padding.PKCS1v15(), hashes.SHA384()],
    ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"): [],
}


@step("only a symmetric key wraps pairs")
def wrapping_keys(walk):
    for spec, usage in [("ECC_NIST_P256", "SIGN_VERIFY"), ("HMAC_256", "GENERATE_VERIFY_MAC")]:
        key = walk.key(KeySpec=spec, KeyUsage=usage)["Arn"]
        where = {"arn": key, "usage": usage}
        walk.refused("key usage", PAIR, where=where, KeyId=key, KeyPairSpec="RSA_2048")
        walk.refused("key usage", "Encrypt", where=where, KeyId=key, Plaintext="AAEC")
    key = walk.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["Arn"]
    walk.refused("rsa wrapping key", PAIR, where={"arn": key, "spec": "RSA_2048"}, KeyId=key,
                 KeyPairSpec="ECC_NIST_P256")


@step("a usage must be given, and fit its key")
def usages(walk):
    walk.refused("key usage missing", "CreateKey", KeySpec="ECC_NIST_P256")
    walk.refused("key usage and spec", "CreateKey", KeySpec="RSA_2048", KeyUsage="KEY_AGREEMENT",
                 where={"usage": "KEY_AGREEMENT", "spec": "RSA_2048"})
    key = walk.key()["Arn"]
    walk.refused("key usage", "Sign", where={"arn": key, "usage": "ENCRYPT_DECRYPT"}, KeyId=key,
                 Message=encoded(MESSAGE), SigningAlgorithm="ECDSA_SHA_256")


@step("what another library encrypts to a key is opened")
def encryption(walk):
    key = walk.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["Arn"]
    public = load_der_public_key(decoded(walk.call("GetPublicKey", KeyId=key)["PublicKey"]))
    for name, function in [("RSAES_OAEP_SHA_1", hashes.SHA1()),
                           ("RSAES_OAEP_SHA_256", hashes.SHA256())]:
        algorithm = {"KeyId": key, "EncryptionAlgorithm": name}
        oaep = padding.OAEP(mgf=padding.MGF1(function), algorithm=function, label=None)
        blob = encoded(public.encrypt(MESSAGE, oaep))
        opened = walk.call("Decrypt", CiphertextBlob=blob, **algorithm)
        walk.equal(decoded(opened["Plaintext"]), MESSAGE)
    walk.refused("rsa plaintext too long", "Encrypt", Plaintext=encoded(bytes(191)), **algorithm,
                 where={"algorithm": "RSAES_OAEP_SHA_256", "spec": "RSA_2048", "most": 190})


@step("another library verifies what is signed")
def signatures(walk):
    for (spec, algorithm), told in ANOTHER_LIBRARY.items():
        key = walk.key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["Arn"]
        asked = {"KeyId": key, "Message": encoded(MESSAGE), "SigningAlgorithm": algorithm}
        signature = walk.call("Sign", **asked)["Signature"]
        walk.equal(walk.call("Verify", Signature=signature, **asked)["SignatureValid"], True)
        public = load_der_public_key(decoded(walk.call("GetPublicKey", KeyId=key)["PublicKey"]))
        try:
            public.verify(decoded(signature), MESSAGE, *told)
        except InvalidSignature as error:
            raise RuntimeError(f"a signature by {algorithm} does not verify") from error
        other = {**asked, "Message": encoded(b"something else")}
        walk.refused("invalid signature", "Verify", Signature=signature, **other)
        if told:
            walk.refused("digest length", "Sign", where={"algorithm": algorithm},
                         **{**asked, "MessageType": "DIGEST"})


@step("a MAC is verified, and another is not")
def macs(walk):
    key = walk.key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["Arn"]
    asked = {"KeyId": key, "Message": encoded(MESSAGE), "MacAlgorithm": "HMAC_SHA_256"}
    mac = walk.call("GenerateMac", **asked)["Mac"]
    walk.equal(walk.call("VerifyMac", Mac=mac, **asked)["MacValid"], True)
    walk.equal(len(decoded(mac)), 32)
    walk.refused("invalid mac", "VerifyMac", Mac=encoded(bytes(32)), **asked)
    walk.refused("mac algorithm", "GenerateMac",
                 where={"algorithm": "HMAC_SHA_512", "spec": "HMAC_256"},
                 **{**asked, "MacAlgorithm": "HMAC_SHA_512"})
