#!/usr/bin/env python3
"""Opens keymill's ciphertext blobs without keymill.

Written from src/crypto/seal/blob.md alone, as a second implementation: whoever holds the 32 bytes
of a KMS key's material needs nothing but this file (Python 3.11 and `cryptography`; `pyarrow` too
for Arrow files) to get every private key back. `--check` takes `key_pairs.py` beside it.

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
import struct
import sys
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEADER_BYTES = 84
TAG_BYTES = 16
MAGIC = b"KMB\x01"
PAYLOADS = (
    "bytes", "RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384",
    "ECC_NIST_P521", "ECC_SECG_P256K1", "SM2", "ECC_NIST_EDWARDS25519",
    "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024",
)

class UnwrapError(ValueError):
    """A blob that does not open, or a key pair that is none."""


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


def open_arrow_file(path, material, rows=None, judge_of=None):
    """Opens the first `rows` rows of a file, all by default, and gives each pair to what
    `judge_of` returns for their spec. Returns how many it opened."""
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
        judge = judge_of(spec) if judge_of else None
        for batch in table.to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                try:
                    private = open_row(material, arn, spec, template, row)
                    if judge is not None:
                        judge(private, row["PublicKey"])
                except ValueError as error:
                    raise UnwrapError(f"{path}: row {row['Index']}: {error}") from None
        return table.num_rows


def open_row(material, arn, spec, template, row):
    """The row's PKCS#8 private key."""
    context = fill_template(template, row)
    payload, private = open_blob(material, arn, context, row["PrivateKeyCiphertextBlob"])
    if payload != spec:
        raise UnwrapError(f"the blob holds a private key of {payload} in a file of {spec}")
    return private


def open_arrow(path, material, rows=None, judge_of=None):
    """As `open_arrow_file`, for a file or all parts in a folder; `rows` counts over all parts."""
    path = Path(path)
    parts = sorted(path.rglob("*.arrow")) if path.is_dir() else [path]
    if not parts:
        raise UnwrapError(f"{path}: no part in this folder")
    opened = 0
    for part in parts:
        left = None if rows is None else rows - opened
        opened += open_arrow_file(part, material, left, judge_of)
    return opened


def open_and_judge(path, material, rows):
    """As `open_arrow`, and shows every pair to other libraries."""
    import key_pairs

    try:
        return open_arrow(path, material, rows, key_pairs.judge_of)
    except key_pairs.NoTool as error:
        raise UnwrapError(f"{path}: nothing here can judge its key pairs: {error}") from None


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
        open_rows = open_and_judge if arguments.check else open_arrow
        opened = open_rows(arguments.path, material, arguments.rows)
        print(f"{opened} rows opened" + (", all pairs matched" if arguments.check else ""))
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
