"""Do a public and a private key belong together, in the eyes of libraries that made neither?

`judge_of(spec)` gives a function that parses both (SubjectPublicKeyInfo and PKCS#8, DER), derives the
public key from the private one, and uses them on each other: what the private key signs, the public
one verifies; what is encapsulated to the public key, the private one opens. It raises `NoPair` at
the first that fails. The libraries are, in this order: the `cryptography` package, libcrypto
(`libcrypto.py`), and for ML-KEM-512, where libcrypto is older than 3.5, `kyber_py`.
"""

import secrets
from functools import cache, partial

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

import libcrypto

# Of each spec: AlgorithmIdentifier in DER, and bytes of the public key (None: not fixed).
PUBLIC_KEY_FORMS = {
    "RSA_2048": ("300d06092a864886f70d0101010500", None),
    "RSA_3072": ("300d06092a864886f70d0101010500", None),
    "RSA_4096": ("300d06092a864886f70d0101010500", None),
    "ECC_NIST_P256": ("301306072a8648ce3d020106082a8648ce3d030107", 65),
    "ECC_NIST_P384": ("301006072a8648ce3d020106052b81040022", 97),
    "ECC_NIST_P521": ("301006072a8648ce3d020106052b81040023", 133),
    "ECC_SECG_P256K1": ("301006072a8648ce3d020106052b8104000a", 65),
    "SM2": ("301306072a8648ce3d020106082a811ccf5501822d", 65),
    "ECC_NIST_EDWARDS25519": ("300506032b6570", 32),
    "ML_KEM_512": ("300b0609608648016503040401", 800),
    "ML_KEM_768": ("300b0609608648016503040402", 1184),
    "ML_KEM_1024": ("300b0609608648016503040403", 1568),
}
RSA_EXPONENT = 65537
# As AWS KMS signs with each curve; the rest are P-256 and secp256k1.
EC_HASHES = {"secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
SEED_BYTES = 64


class NoPair(ValueError):
    """Keys that are malformed, or do not belong together."""


class NoTool(Exception):
    """No library here knows the kind of key."""


# --- Form -----------------------------------------------------------------------------------------


def der_element(data, tag):
    """Splits `data` into its first element, header included, that one's contents, and the rest."""
    if len(data) < 2 or data[0] != tag:
        raise NoPair(f"the public key's DER lacks the tag {tag:#04x}")
    start, length = 2, data[1]
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:start])
        if length < 0x80:
            raise NoPair("the public key's DER has a length that is too long")
    end = start + length
    if end > len(data):
        raise NoPair("the public key's DER is cut short")
    return data[:end], data[start:end], data[end:]


def key_bytes(spec, spki):
    """The public key within `spki`, which must be a SubjectPublicKeyInfo of the kind `spec`."""
    algorithm, length = PUBLIC_KEY_FORMS[spec]
    _, contents, behind = der_element(spki, 0x30)
    identifier, _, rest = der_element(contents, 0x30)
    _, bits, rest = der_element(rest, 0x03)
    if behind or rest or bits[:1] != b"\x00":
        raise NoPair("the public key's DER holds more than it should")
    if identifier.hex() != algorithm:
        raise NoPair(f"the public key is no {spec}: algorithm {identifier.hex()}")
    if length is not None and len(bits) - 1 != length:
        raise NoPair(f"{len(bits) - 1} bytes of public key, {spec} has {length}")
    return bits[1:]


def expect(kept, law):
    if not kept:
        raise NoPair(f"not so: {law}")


# --- The cryptography package ---------------------------------------------------------------------


def load_by_package(pkcs8, spki, validated):
    """Both keys; those of RSA with the package's own validation of all parts if `validated`."""
    try:
        skipped = {"unsafe_skip_rsa_key_validation": not validated}
        private = serialization.load_der_private_key(pkcs8, None, **skipped)
        return private, serialization.load_der_public_key(spki)
    except ValueError as error:
        raise NoPair(f"does not load: {error}") from None


def spki_of(public):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.DER, form)


def judge_by_package(spec, private, spki, validated):
    key_bytes(spec, spki)
    private, public = load_by_package(private, spki, validated)
    if isinstance(private, rsa.RSAPrivateKey):
        check_rsa_parts(spec, private.private_numbers())
        tell = padding.PKCS1v15(), hashes.SHA256()
    elif isinstance(private, ec.EllipticCurvePrivateKey):
        # From the scalar, not from the copy of the public key that PKCS#8 may hold.
        scalar = private.private_numbers().private_value
        private = ec.derive_private_key(scalar, private.curve)
        tell = (ec.ECDSA(EC_HASHES.get(private.curve.name, hashes.SHA256())),)
    elif isinstance(private, ed25519.Ed25519PrivateKey):
        tell = ()
    else:
        tell = None
    expect(spki_of(private.public_key()) == spki, "the public key is the private one's")
    if tell is None:
        secret, ciphertext = public.encapsulate()
        expect(private.decapsulate(ciphertext) == secret, "what is encapsulated is opened")
        return
    message = secrets.token_bytes(32)
    try:
        public.verify(private.sign(message, *tell), message, *tell)
    except InvalidSignature:
        raise NoPair("not so: the public key verifies what the private one signs") from None


def check_rsa_parts(spec, parts):
    """The relations of RFC 8017, section 3.2, all but that p and q are primes."""
    n, e = parts.public_numbers.n, parts.public_numbers.e
    p, q, d = parts.p, parts.q, parts.d
    expect(f"RSA_{n.bit_length()}" == spec and e == RSA_EXPONENT, f"{spec}, exponent 65537")
    expect(p * q == n, "p q = n")
    expect(e * d % (p - 1) == 1 and e * d % (q - 1) == 1, "e d = 1 mod p - 1 and q - 1")
    expect((parts.dmp1, parts.dmq1) == (d % (p - 1), d % (q - 1)), "dp and dq are those of d")
    expect(q * parts.iqmp % p == 1, "q qinv = 1 mod p")


def package_loads(spec):
    """Whether the package knows ML-KEM of this size; tried with the seed zero."""
    seed = bytes.fromhex("04428040") + bytes(SEED_BYTES)
    body = b"\x02\x01\x00" + bytes.fromhex(PUBLIC_KEY_FORMS[spec][0]) + seed
    try:
        serialization.load_der_private_key(bytes([0x30, len(body)]) + body, None)
    except UnsupportedAlgorithm:
        return False
    return True


# --- libcrypto ------------------------------------------------------------------------------------


def judge_sm2(library, private, spki):
    key_bytes("SM2", spki)
    with library.private_key(private) as private, library.public_key(spki) as public:
        # The PKCS#8 has a copy of the public key; this holds it against the scalar.
        private.check()
        expect(private.spki() == spki, "the public key is the private one's")
        message = secrets.token_bytes(32)
        public.verify_sm3(private.sign_sm3(message), message)


def judge_kem(library, spec, private, spki):
    key_bytes(spec, spki)
    with library.private_key(private) as private, library.public_key(spki) as public:
        expect(private.spki() == spki, "the public key is the private one's")
        secret, ciphertext = public.encapsulate()
        expect(private.decapsulate(ciphertext) == secret, "what is encapsulated is opened")


# --- kyber_py -------------------------------------------------------------------------------------


def judge_by_kyber(kem, spec, private, spki):
    # The seed is the end of the PKCS#8.
    public, opening = kem.key_derive(private[-SEED_BYTES:])
    expect(public == key_bytes(spec, spki), "the public key is the private one's")
    secret, ciphertext = kem.encaps(public)
    expect(kem.decaps(opening, ciphertext) == secret, "what is encapsulated is opened")


# --- The choice -----------------------------------------------------------------------------------


@cache
def judge_of(spec, path=libcrypto.DEFAULT, validated=True):
    """What judges pairs of `spec`: a function of PKCS#8 and SubjectPublicKeyInfo. `path` is that of
    the libcrypto to use where the package does not know the kind. `validated` lets the package put
    the primes of RSA to its own tests, at a tenth of a second and more a key."""
    if spec != "SM2" and (not spec.startswith("ML_KEM_") or package_loads(spec)):
        return partial(judge_by_package, spec, validated=validated)
    try:
        library = libcrypto.load(path)
    except OSError as error:
        if spec == "SM2":
            raise NoTool(f"SM2 needs OpenSSL's libcrypto: {error}") from None
        library = None
    if spec == "SM2":
        return partial(judge_sm2, library)
    if library is not None and library.version >= (3, 5):
        return partial(judge_kem, library, spec)
    return kyber_of(spec)


def kyber_of(spec):
    try:
        from kyber_py.ml_kem import ML_KEM_512, ML_KEM_768, ML_KEM_1024
    except ImportError:
        raise NoTool(f"{spec} needs libcrypto 3.5, or the package kyber-py") from None
    kem = {"ML_KEM_512": ML_KEM_512, "ML_KEM_768": ML_KEM_768, "ML_KEM_1024": ML_KEM_1024}[spec]
    return partial(judge_by_kyber, kem, spec)
