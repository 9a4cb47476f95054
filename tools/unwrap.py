#!/usr/bin/env python3
"""Opens keymill's ciphertext blobs without keymill.

Written from src/crypto/seal/blob.md alone, as a second implementation: whoever holds the 32 bytes
of a KMS key's material needs nothing but this file (Python 3.11 and `cryptography`; `pyarrow` too
for Arrow files) to get every private key back.

    unwrap.py --material FILE --key-arn ARN blob FILE [--context CONTEXT] [-o OUT]
    unwrap.py --material FILE arrow PATH [--rows N] [--check]

FILE of --material is 32 raw bytes or 64 hex digits. CONTEXT is k=v,k2=v2 or, if a value has a
comma, a JSON object of strings. PATH is an Arrow file or a folder of parts.
"""

import argparse
import hashlib
import hmac
import json
import re
import shutil
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEADER_BYTES = 84
TAG_BYTES = 16
MAGIC = b"KMB\x01"
PAYLOADS = (
    "bytes", "RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384",
    "ECC_NIST_P521", "ECC_SECG_P256K1", "SM2", "ECC_NIST_EDWARDS25519",
    "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024",
)

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

# Most rows of a file that are given to the openssl command, which takes one key a process.
OPENSSL_ROWS = 200


class UnwrapError(Exception):
    """A blob that does not open, or a key pair that is none."""


class NoTool(Exception):
    """Neither library nor command here knows the kind of key."""


# --- The blob (blob.md) ---------------------------------------------------------------------------


def hmac_sha256(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def arn_in_associated_data(arn, multi_region):
    """The ARN as it is bound; that of a multi-Region key without its Region."""
    if not multi_region:
        return arn.encode("ascii")
    fields = arn.split(":", 5)
    return ":".join(fields[:3] + [""] + fields[4:]).encode("ascii")


def encode_context(context):
    """The count, then every pair in ascending order of the keys' UTF-8 bytes."""
    pairs = sorted((key.encode(), value.encode()) for key, value in context.items())
    encoded = struct.pack(">I", len(pairs))
    for text in (text for pair in pairs for text in pair):
        encoded += struct.pack(">I", len(text)) + text
    return encoded


def open_blob(material, arn, context, blob):
    """Opens `blob`; returns the name of its payload and the plaintext."""
    if len(blob) < HEADER_BYTES + TAG_BYTES:
        raise UnwrapError(f"{len(blob)} bytes are no blob")
    header, sealed = blob[:HEADER_BYTES], blob[HEADER_BYTES:]
    magic, algorithm, payload, flags, key_id, material_id, nonce, iv = struct.unpack(
        ">4sBBH16s32s16s12s", header)
    if magic != MAGIC:
        raise UnwrapError(f"not a blob of version 1: it begins with {magic.hex()}")
    if algorithm != 1 or payload >= len(PAYLOADS) or flags & ~1:
        raise UnwrapError(f"unknown algorithm, payload or flags: {algorithm}, {payload}, {flags}")
    if material_id != hmac_sha256(material, b"keymill/material-id/v1\x00" + key_id):
        raise UnwrapError(f"sealed under another material, id {material_id.hex()}")
    label = b"keymill/blob/v1\x00"
    key = hmac_sha256(
        material, struct.pack(">I", 1) + label + nonce + struct.pack(">I", 256))
    bound_arn = arn_in_associated_data(arn, bool(flags & 1))
    data = header + struct.pack(">H", len(bound_arn)) + bound_arn + encode_context(context)
    try:
        return PAYLOADS[payload], AESGCM(key).decrypt(iv, sealed, data)
    except InvalidTag:
        raise UnwrapError("the tag is wrong: other ARN or context, or damage") from None


def parse_context(text):
    """Pairs from k=v,k2=v2 or a JSON object of strings."""
    if text.lstrip().startswith("{"):
        try:
            pairs = json.loads(text, object_pairs_hook=list)
        except ValueError as error:
            raise UnwrapError(f"the context is not JSON: {error}") from None
    else:
        pairs = [pair.split("=", 1) for pair in text.split(",")] if text else []
    strings = all(len(p) == 2 and all(isinstance(s, str) and s for s in p) for p in pairs)
    if not strings or len(dict(pairs)) != len(pairs):
        raise UnwrapError("the context is not k=v,k2=v2 or an object of strings, each key once")
    return dict(pairs)


def read_material(path):
    """32 raw bytes, or 64 hex digits."""
    data = Path(path).read_bytes()
    if len(data) == 32:
        return data
    if re.fullmatch(rb"\s*[0-9a-fA-F]{64}\s*", data):
        return bytes.fromhex(data.decode())
    raise UnwrapError(f"{path}: neither 32 bytes nor 64 hex digits")


# --- Key pairs ------------------------------------------------------------------------------------


def der_element(data, tag):
    """Splits `data` into its first element, header included, that one's contents, and the rest."""
    if len(data) < 2 or data[0] != tag:
        raise UnwrapError(f"the public key's DER lacks the tag {tag:#04x}")
    start, length = 2, data[1]
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:start])
        if length < 0x80:
            raise UnwrapError("the public key's DER has a length that is too long")
    end = start + length
    if end > len(data):
        raise UnwrapError("the public key's DER is cut short")
    return data[:end], data[start:end], data[end:]


def parse_spki(spec, spki):
    """Checks that `spki` is a SubjectPublicKeyInfo of the kind `spec`."""
    algorithm, key_bytes = PUBLIC_KEY_FORMS[spec]
    _, contents, behind = der_element(spki, 0x30)
    identifier, _, rest = der_element(contents, 0x30)
    _, bits, rest = der_element(rest, 0x03)
    if behind or rest or bits[:1] != b"\x00":
        raise UnwrapError("the public key's DER holds more than it should")
    if identifier.hex() != algorithm:
        raise UnwrapError(f"the public key is no {spec}: algorithm {identifier.hex()}")
    if key_bytes is not None and len(bits) - 1 != key_bytes:
        raise UnwrapError(f"{len(bits) - 1} bytes of public key, {spec} has {key_bytes}")
    try:
        public = serialization.load_der_public_key(spki)
    except UnsupportedAlgorithm:
        return  # SM2, ML-KEM-512: the form is all that can be said
    except ValueError as error:
        raise UnwrapError(f"the public key does not load: {error}") from None
    if spec.startswith("RSA_"):
        if public.public_numbers().e != 65537 or f"RSA_{public.key_size}" != spec:
            raise UnwrapError(f"the public key is no {spec} with the exponent 65537")


def openssl_version():
    """The openssl command's version as (3, 0), or None without one."""
    if shutil.which("openssl") is None:
        return None
    text = subprocess.run(["openssl", "version"], capture_output=True, text=True).stdout
    found = re.match(r"OpenSSL (\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def tool_for(spec):
    """`library` or `openssl`: what derives a public key of this kind here."""
    version = openssl_version()
    if spec == "SM2":
        if version is None:
            raise NoTool("SM2 needs the openssl command")
        return "openssl"
    if not spec.startswith("ML_KEM_"):
        return "library"
    try:
        load_private_key(ml_kem_probe(spec))
        return "library"
    except NoTool:
        if version is not None and version >= (3, 5):
            return "openssl"
    found = "none" if version is None else "%d.%d" % version
    raise NoTool(f"this cryptography package does not load {spec}, and openssl is {found}, not 3.5")


def ml_kem_probe(spec):
    """A PKCS#8 private key of the kind `spec` with the seed zero."""
    seed = bytes.fromhex("04428040") + bytes(64)
    body = b"\x02\x01\x00" + bytes.fromhex(PUBLIC_KEY_FORMS[spec][0]) + seed
    return bytes([0x30, len(body)]) + body


def load_private_key(pkcs8):
    try:
        return serialization.load_der_private_key(pkcs8, None)
    except UnsupportedAlgorithm as error:
        raise NoTool(str(error)) from None
    except ValueError as error:
        raise UnwrapError(f"the private key does not load: {error}") from None


def public_key_by_library(pkcs8):
    """The SubjectPublicKeyInfo that belongs to a private key."""
    private = load_private_key(pkcs8)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        # From the scalar, not from the copy of the public key that PKCS#8 may hold.
        scalar = private.private_numbers().private_value
        private = ec.derive_private_key(scalar, private.curve)
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_key_by_openssl(spec, pkcs8):
    """As `public_key_by_library`."""
    # SM2's PKCS#8 has a copy of the public key, which openssl takes; -check holds it against the
    # scalar. ML-KEM's has the seed only.
    checks = ["-check"] if spec == "SM2" else []
    command = ["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER", *checks]
    outcome = subprocess.run(command, input=pkcs8, capture_output=True)
    valid = b"Key is valid" in outcome.stdout + outcome.stderr
    if outcome.returncode != 0 or (checks and not valid):
        raise UnwrapError("openssl pkey: " + outcome.stderr.decode(errors="replace").strip())
    return outcome.stdout.removeprefix(b"Key is valid\n")


# --- Arrow files ----------------------------------------------------------------------------------


def fill_template(template, row):
    """The row's context: {column} is its value, {{ and }} are braces."""
    def piece(found):
        if found[1] is None:
            return found[0][0]
        if found[1] not in row:
            raise UnwrapError(f"the context names the column {found[1]}, which is not there")
        return str(row[found[1]])
    field = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")
    return {key: field.sub(piece, value) for key, value in template.items()}


def evenly(rows, most):
    """At most `most` of the numbers below `rows`, evenly spread."""
    return {number * rows // most for number in range(most)} if rows > most else set(range(rows))


def open_arrow_file(path, material, rows=None, check=False, say=print):
    """Opens the first `rows` rows of a file, all by default; returns how many it opened and how
    many private keys it matched to their public keys (none unless `check`)."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_file(source).read_all().slice(0, rows)
        except pa.ArrowInvalid as error:
            raise UnwrapError(f"{path}: {error}") from None
        metadata = table.schema.metadata or {}
        text = {key.decode(): value.decode() for key, value in metadata.items()}
        names = ("KeyId", "KeyPairSpec", "EncryptionContextTemplate")
        if not all(name in text for name in names):
            raise UnwrapError(f"{path}: not a file of keymill: its schema lacks one of {names}")
        arn, spec, template = (text[name] for name in names)
        template = json.loads(template or "{}")
        chosen, public_key_of = set(), None
        if check:
            chosen, public_key_of = matcher(path, spec, table.num_rows, say)
        opened = matched = 0
        for batch in table.to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                try:
                    private = open_row(material, arn, spec, template, row)
                    if check:
                        parse_spki(spec, row["PublicKey"])
                    if opened in chosen:
                        if public_key_of(private) != row["PublicKey"]:
                            raise UnwrapError("private and public key are no pair")
                        matched += 1
                except UnwrapError as error:
                    raise UnwrapError(f"{path}: row {row['Index']}: {error}") from None
                opened += 1
    return opened, matched


def matcher(path, spec, rows, say):
    """Which rows' key pairs are to be matched, and by what function."""
    try:
        tool = tool_for(spec)
    except NoTool as error:
        say(f"{path}: no key pair matched: {error}")
        return set(), None
    if tool == "library":
        return set(range(rows)), public_key_by_library
    chosen = evenly(rows, OPENSSL_ROWS)
    if len(chosen) < rows:
        say(f"{path}: {len(chosen)} of {rows} key pairs matched, by openssl, one process each")
    return chosen, partial(public_key_by_openssl, spec)


def open_row(material, arn, spec, template, row):
    """The row's PKCS#8 private key."""
    context = fill_template(template, row)
    payload, private = open_blob(material, arn, context, row["PrivateKeyCiphertextBlob"])
    if payload != spec:
        raise UnwrapError(f"the blob holds a private key of {payload} in a file of {spec}")
    return private


def open_arrow(path, material, rows=None, check=False, say=print):
    """As `open_arrow_file`, for a file or all parts in a folder; `rows` counts over all parts."""
    path = Path(path)
    parts = sorted(path.rglob("*.arrow")) if path.is_dir() else [path]
    if not parts:
        raise UnwrapError(f"{path}: no part in this folder")
    opened = matched = 0
    for part in parts:
        left = None if rows is None else rows - opened
        counts = open_arrow_file(part, material, left, check, say)
        opened, matched = opened + counts[0], matched + counts[1]
    return opened, matched


# --- Command line ---------------------------------------------------------------------------------


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--material", required=True, metavar="FILE", help="32 raw bytes or 64 hex digits")
    parser.add_argument("--key-arn", metavar="ARN", help="of the key that sealed the blob")
    commands = parser.add_subparsers(dest="command", required=True)
    blob = commands.add_parser("blob", help="open one blob")
    blob.add_argument("file", type=Path, metavar="FILE")
    blob.add_argument("--context", default="", help="k=v,k2=v2 or a JSON object of strings")
    blob.add_argument("-o", "--output", type=Path, metavar="OUT", help="default: standard output")
    arrow = commands.add_parser("arrow", help="open the rows of an Arrow file or a folder of parts")
    arrow.add_argument("path", type=Path, metavar="PATH")
    arrow.add_argument("--rows", type=int, metavar="N", help="only the first N rows")
    arrow.add_argument("--check", action="store_true", help="match private to public keys")
    arguments = parser.parse_args()
    if arguments.command == "blob" and arguments.key_arn is None:
        parser.error("blob needs --key-arn")
    return arguments


def run(arguments):
    material = read_material(arguments.material)
    if arguments.command == "arrow":
        counts = open_arrow(arguments.path, material, arguments.rows, arguments.check)
        print("%d rows opened, %d matched" % counts)
        return
    context = parse_context(arguments.context)
    _, plaintext = open_blob(material, arguments.key_arn, context, arguments.file.read_bytes())
    if arguments.output is None:
        sys.stdout.buffer.write(plaintext)
    else:
        arguments.output.touch(mode=0o600, exist_ok=False)
        arguments.output.write_bytes(plaintext)


def main():
    try:
        run(parse_arguments())
    except (UnwrapError, OSError) as error:
        sys.exit(f"unwrap.py: {error}")


if __name__ == "__main__":
    main()
