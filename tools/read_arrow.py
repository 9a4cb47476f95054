#!/usr/bin/env python3
"""Reads published parts with pyarrow and Polars and checks that they see the same, without a copy.

    read_arrow.py PART.arrow...

For each part: pyarrow's file reader over a memory mapping (every buffer inside the mapping, 64-byte
aligned, next to nothing allocated), its stream reader from byte 8, full validation, the schema
metadata against the rows, and Polars' lazy scan. Prints one line a part; exits 1 at the first fault.
Needs the packages pyarrow and polars.
"""

import sys

import polars
import pyarrow as pa

METADATA = [
    "KeyId",
    "KeyMaterialId",
    "KeyPairSpec",
    "EncryptionContextTemplate",
    "JobId",
    "Part",
    "FirstRow",
    "Rows",
    "SlotRows",
    "SlotBytes",
    "FormatVersion",
    "Generator",
]


class Fault(Exception):
    """What a part does wrong."""


def require(truth, what):
    if not truth:
        raise Fault(what)


def read_in_place(path):
    """The table, its buffers all inside the mapping of the file."""
    source = pa.memory_map(path)
    mapping = source.read_buffer()
    before = pa.total_allocated_bytes()
    reader = pa.ipc.open_file(pa.BufferReader(mapping))
    batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    copied = pa.total_allocated_bytes() - before
    require(copied < 65536, f"pyarrow allocated {copied} bytes to read it")
    end = mapping.address + mapping.size
    for batch in batches:
        for column in batch.columns:
            for buffer in column.buffers():
                if buffer is None or buffer.size == 0:
                    continue
                inside = mapping.address <= buffer.address and buffer.address + buffer.size <= end
                require(inside, "a buffer lies outside the mapping")
                require(buffer.address % 64 == 0, "a buffer is not aligned to 64 bytes")
    table = pa.Table.from_batches(batches, reader.schema)
    table.validate(full=True)
    return table, mapping


def check_rows(table):
    """Schema, metadata and row numbers."""
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    missing = [key for key in METADATA if key not in metadata]
    require(not missing, f"the metadata lacks {missing}")
    names = table.schema.names
    require(names[0] == "Index", "the first column is not Index")
    require(names[-2:] == ["PublicKey", "PrivateKeyCiphertextBlob"], f"the columns are {names}")
    require(not any(field.nullable for field in table.schema), "a column is nullable")
    require(table.num_rows == int(metadata["Rows"]), "the rows are not as many as the metadata says")
    if "Repaired" not in metadata:
        first = int(metadata["FirstRow"])
        numbers = pa.array(range(first, first + table.num_rows), pa.uint64())
        require(table["Index"].combine_chunks().equals(numbers), "Index is not in sequence")
    return metadata


def check(path):
    table, mapping = read_in_place(path)
    metadata = check_rows(table)
    stream = pa.ipc.open_stream(mapping.slice(8)).read_all()
    require(stream.equals(table), "the stream reader sees another table")
    lazily = polars.scan_ipc(path).collect()
    require(lazily.equals(polars.from_arrow(table)), "Polars sees another table")
    require(lazily.height == table.num_rows, "Polars sees another number of rows")
    return f"{path}: {metadata['KeyPairSpec']}, {table.num_rows} rows, {mapping.size} bytes, in place"


def main(paths):
    if not paths:
        sys.exit(__doc__)
    for path in paths:
        try:
            print(check(path))
        except (Fault, pa.ArrowInvalid, polars.exceptions.PolarsError) as fault:
            sys.exit(f"{path}: {fault}")


if __name__ == "__main__":
    main(sys.argv[1:])
