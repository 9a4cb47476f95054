#!/usr/bin/env python3
"""Holds keymill's output against programs that know nothing of keymill.

Makes files of every KeyPairSpec in a folder of its own, reads them by pyarrow (in place, from a
mapping, and as a stream) and by polars, opens every private key by unwrap.py, matches each to its
public key, and lets each pair sign and verify, or encapsulate and open (key_pairs.py); takes more of
every kind through the ring by ring_client.py. Needs `cryptography`, `pyarrow` and `polars`; OpenSSL's
libcrypto for SM2; one of 3.5, or `kyber-py`, for ML-KEM-512.

    interop.py --keymill PATH [--spec SPEC] [--rows N] [--rsa-rows N] [--libcrypto PATH]

Prints a line for each check; ends with 1 at the first that fails, and says what was expected.
"""

import argparse
import contextlib
import csv
import json
import secrets
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa

import key_pairs
import libcrypto
import ring_client
import unwrap

COPIED_BYTES_MAX = 1 << 20
# Up to so many, the primes of each RSA key are tested again.
RSA_VALIDATED_ROWS_MAX = 200
MANIFEST_ROWS = 10_000
RING_ROWS = 200
COLUMNS = ["serial", "model", "note", "owner name", "batch"]
MODELS = [
    "A-1", "B, large", 'C "new"', "\u00dcber \u6a21\u578b", "{serial} {{x}}", "line\nbreak",
    " padded ",
]
NOTES = [
    "", "plain", "a,b,,c", '"', '""quoted""', "two\nlines\n", "dos\r\nline",
    "\u00e9\U0001f511", "  ",
]


class Failed(Exception):
    """A check that found something else than it expected."""


def check(what, found, expected=True):
    """Prints `what`, or ends all if `found` is not what was expected."""
    if found != expected:
        raise Failed(f"{what}: expected {shorten(expected)}, found {shorten(found)}")
    print(f"ok      {what}")


def shorten(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


class Keymill:
    """The program under test, with a keystore of its own in `folder`."""

    def __init__(self, program, folder):
        self.program, self.folder = Path(program).resolve(), folder

    def run(self, *arguments):
        command = [self.program, "--home", self.folder / "home", *map(str, arguments)]
        outcome = subprocess.run(command, capture_output=True, text=True)
        if outcome.returncode != 0:
            typed = " ".join(map(str, arguments))
            raise Failed(f"keymill {typed}: expected success, found {outcome.stderr.strip()}")
        return outcome.stdout

    def external_key(self, name, *options):
        """Makes a key with imported material; returns its ARN and the material."""
        made = self.run("key", "create", "--origin", "EXTERNAL", "--json", *options)
        arn = json.loads(made)["KeyMetadata"]["Arn"]
        file = self.folder / name
        file.write_bytes(secrets.token_bytes(32))
        key = "alias/interop" if "--alias" in options else arn
        self.run("key", "import", "--key-id", key, "--material-file", file)
        return arn, unwrap.read_material(file)

    @contextlib.contextmanager
    def serve(self, *options):
        """A running server, stopped at the end."""
        command = [self.program, "--home", self.folder / "home", "serve", "--eager", "--listen", "127.0.0.1:0"]
        command += map(str, options)
        pipe = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipe) as server:
            try:
                if not any("listening on" in line for line in server.stderr):
                    raise Failed(f"keymill serve: expected success, found {server.wait()}")
                yield
            finally:
                server.terminate()

    def generate(self, name, key, context, *options):
        path = self.folder / name
        self.run("generate", "--key-id", key, "--encryption-context", context, "-o", path, *options)
        return path


def check_readers(path, label, rows):
    """Three readers see the same rows; returns them as a list."""
    before = pa.total_allocated_bytes()
    with pa.memory_map(str(path)) as source:
        whole = source.read_buffer()
        table = pa.ipc.open_file(source).read_all()
        copied = pa.total_allocated_bytes() - before
        check(f"{label}: pyarrow file reader, {rows} rows", table.num_rows, rows)
        check(f"{label}: read in place, {copied} bytes copied", copied < COPIED_BYTES_MAX)
        values = [chunk.buffers()[2] for chunk in table.column("PublicKey").chunks]
        start, end = whole.address, whole.address + whole.size
        within = all(start <= v.address and v.address + v.size <= end for v in values)
        check(f"{label}: PublicKey lies within the mapping", within)
        table.validate(full=True)
        listed = table.to_pylist()
        source.seek(8)
        streamed = pa.ipc.open_stream(source).read_all().to_pylist()
    check(f"{label}: pyarrow stream reader from byte 8, equal rows", streamed == listed)
    frame = pl.scan_ipc(path).collect()
    check(f"{label}: polars scan_ipc, equal rows", frame.to_dicts() == listed)
    check(f"{label}: Index counts from 0", [row["Index"] for row in listed] == list(range(rows)))
    check(f"{label}: public keys all distinct", len({row["PublicKey"] for row in listed}), rows)
    return listed


def check_keys(path, label, material, rows, judge_of):
    """unwrap.py opens all rows, and other libraries use what it finds."""
    try:
        opened = unwrap.open_arrow(path, material, judge_of=judge_of)
        what = "opened, their pairs parsed, matched and used on each other"
    except key_pairs.NoTool as error:
        print(f"skip    {label}: no key pair matched: {error}")
        opened, what = unwrap.open_arrow(path, material), "opened"
    check(f"{label}: {opened} rows {what}", opened, rows)


def check_spec(keymill, spec, arn, material, rows, libcrypto):
    options = ("--key-pair-spec", spec, "--count", rows)
    path = keymill.generate(f"{spec}.arrow", arn, "spec=x,row={Index}", *options)
    listed = check_readers(path, spec, rows)
    blobs = {row["PrivateKeyCiphertextBlob"] for row in listed}
    check(f"{spec}: blobs all distinct", len(blobs), rows)
    validated = rows <= RSA_VALIDATED_ROWS_MAX
    judge_of = partial(key_pairs.judge_of, path=libcrypto, validated=validated)
    check_keys(path, spec, material, rows, judge_of)
    check_stranger(spec, arn, material, listed, judge_of)


def check_stranger(spec, arn, material, listed, judge_of):
    """Who judges the pairs would see a wrong one."""
    try:
        judge = judge_of(spec)
        template = {"spec": "x", "row": "{Index}"}
        judge(unwrap.open_row(material, arn, spec, template, listed[0]), listed[1]["PublicKey"])
        found = "a pair"
    except key_pairs.NoPair as error:
        found = str(error)
    except key_pairs.NoTool:
        return
    what = f"{spec}: the public key of another row is seen to be another"
    check(what, found, "not so: the public key is the private one's")


def manifest_rows():
    """Rows with everything CSV can hold: quotes, commas, line breaks, UTF-8, nothing."""
    return [
        {
            "serial": f"SN{number:06}",
            "model": MODELS[number % len(MODELS)],
            "note": NOTES[number % len(NOTES)],
            "owner name": "" if number % 3 == 0 else f"owner, {number}",
            "batch": str(number // 1000),
        }
        for number in range(MANIFEST_ROWS)
    ]


def check_manifest(keymill, arn, material):
    """A manifest's values come through unchanged, and every row is bound to two of them."""
    label, rows = "manifest", manifest_rows()
    manifest = keymill.folder / "devices.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    spec = "ECC_NIST_EDWARDS25519"
    options = ("--manifest", manifest, "--unique", "serial", "--key-pair-spec", spec)
    context = "device={serial},kind=<{model}>"
    path = keymill.generate("devices.arrow", "alias/interop", context, *options)
    listed = check_readers(path, label, MANIFEST_ROWS)
    kept = [{name: row[name] for name in COLUMNS} for row in listed]
    check(f"{label}: order and values unchanged", kept == rows)
    check_keys(path, label, material, MANIFEST_ROWS, key_pairs.judge_of)

    def opens(row, context_row):
        context = {"device": context_row["serial"], "kind": f"<{context_row['model']}>"}
        return can_open(material, arn, context, row)

    own = all(opens(row, given) for row, given in zip(listed, rows))
    check(f"{label}: every row opens with the context of its own serial and model", own)
    foreign = any(opens(row, given) for row, given in zip(listed, rows[1:]))
    check(f"{label}: no row opens with its neighbour's", foreign, False)


def can_open(material, arn, context, row):
    try:
        unwrap.open_blob(material, arn, context, row["PrivateKeyCiphertextBlob"])
    except unwrap.UnwrapError:
        return False
    return True


def check_context(keymill, arn, material):
    """Contexts whose keys and values only join to the same text do not open each other's blobs."""
    options = ("--key-pair-spec", "ECC_NIST_P256", "--count", 3)
    path = keymill.generate("context.arrow", "alias/interop", '{"ab":"c"}', *options)
    with pa.memory_map(str(path)) as source:
        listed = pa.ipc.open_file(source).read_all().to_pylist()
    contexts = [({"ab": "c"}, True), ({"a": "bc"}, False), ({"AB": "c"}, False), ({}, False)]
    for context, expected in contexts:
        opened = [can_open(material, arn, context, row) for row in listed]
        verb = "opens" if expected else "does not open"
        what = f"context: sealed with ab=c, {verb} with {json.dumps(context)}"
        check(what, opened, [expected] * 3)


def check_ring(keymill, arn, material):
    """Every kind of key that the Region has comes through shared memory, bound to its context, and
    what cannot be given is refused with the service's words."""
    path, context = keymill.folder / "ring", {"serial": "SN-1", "\u00fcber": "\U0001f511"}
    with keymill.serve("--ring", path):
        ring = ring_client.Ring(str(path))
        for spec in key_pairs.PUBLIC_KEY_FORMS:
            if spec == "SM2":
                continue
            pair = call_patiently(ring, arn, spec, context)
            check(f"ring: {spec} under the key asked for", pair["KeyId"], arn)
            payload, private = unwrap.open_blob(
                material, arn, context, pair["PrivateKeyCiphertextBlob"])
            check(f"ring: {spec} is in the blob", payload, spec)
            check_halves(spec, private, pair["PublicKey"])
        pairs = [ring.call(arn, "ECC_NIST_P256", {}) for _ in range(RING_ROWS)]
        distinct = len({pair["PublicKey"] for pair in pairs})
        check(f"ring: {RING_ROWS} calls around its slots, no pair twice", distinct, RING_ROWS)
        check_refusals(ring, arn)
        check_ring_program(path)


def check_halves(spec, private, public):
    try:
        key_pairs.judge_of(spec)(private, public)
    except key_pairs.NoTool as error:
        print(f"skip    ring: {spec} is not matched: {error}")
    except key_pairs.NoPair as error:
        raise Failed(f"ring: {spec}: {error}") from error
    else:
        check(f"ring: {spec}, both halves of one pair", True)


def call_patiently(ring, arn, spec, context):
    """Producers give way to everybody else, so that a first pair may be late on a busy machine."""
    for _ in range(20):
        try:
            return ring.call(arn, spec, context)
        except ring_client.Refused as refused:
            if refused.args[0] != "DependencyTimeoutException":
                raise
    raise Failed(f"ring: {spec}: no pair comes")


def check_refusals(ring, arn):
    for what, key, spec, dry_run, expected in [
        ("a key that is not there", "alias/lost", "ECC_NIST_P256", False, "NotFoundException"),
        ("a dry run", arn, "ECC_NIST_P256", True, "DryRunOperationException"),
        ("SM2 outside China", arn, "SM2", False, "UnsupportedOperationException"),
    ]:
        try:
            found = ring.call(key, spec, {}, dry_run)["KeyId"]
        except ring_client.Refused as refused:
            found = refused.args[0]
        check(f"ring: {what} is refused", found, expected)


def check_ring_program(path):
    """The client as its reader would run it."""
    command = [sys.executable, ring_client.__file__, path, "--key-id", "alias/interop"]
    command += ["--context", '{"a": "b"}', "--count", "3"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    keys = {json.loads(line)["PublicKey"] for line in printed.splitlines()}
    check("ring: ring_client.py prints three pairs", len(keys), 3)


def run(arguments, folder):
    keymill = Keymill(arguments.keymill, folder)
    arn, material = keymill.external_key("material", "--alias", "alias/interop")
    china_arn, china_material = keymill.external_key("china-material", "--region", "cn-north-1")
    check("keys: two, with imported material", arn != china_arn)
    for spec in arguments.spec or key_pairs.PUBLIC_KEY_FORMS:
        rows = arguments.rsa_rows if spec.startswith("RSA_") else arguments.rows
        key = (arn, material) if spec != "SM2" else (china_arn, china_material)
        check_spec(keymill, spec, *key, rows, arguments.libcrypto)
    check_manifest(keymill, arn, material)
    check_context(keymill, arn, material)
    check_ring(keymill, arn, material)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keymill", required=True, metavar="PATH", help="the program")
    parser.add_argument("--spec", action="append", choices=key_pairs.PUBLIC_KEY_FORMS,
                        metavar="SPEC", help="may be repeated; all by default")
    parser.add_argument("--rows", type=int, default=1000, metavar="N", help="of each spec")
    parser.add_argument("--rsa-rows", type=int, default=20, metavar="N", help="of each RSA spec")
    parser.add_argument("--libcrypto", default=libcrypto.DEFAULT, metavar="PATH",
                        help="OpenSSL's library; ML-KEM-512 takes 3.5")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keymill-interop-") as folder:
        try:
            run(arguments, Path(folder))
        except (Failed, unwrap.UnwrapError, pa.ArrowException, pl.exceptions.PolarsError,
                subprocess.CalledProcessError, ring_client.Refused, OSError) as error:
            sys.exit(f"FAILED  {error}")
    print("all checks passed")


if __name__ == "__main__":
    main()
