#!/usr/bin/env python3
"""A client of `keymill serve --ring PATH`, from the drawing in src/door/mod.rs.

    python3 tools/ring_client.py /run/user/1000/keymill.ring --spec RSA_2048 --count 10

Prints one JSON object a key pair. Needs nothing but Python 3.9 on Linux for x86-64 or arm64.
"""

import argparse
import base64
import ctypes
import json
import mmap
import os
import platform
import socket
import struct
import time

SPECS = [
    "RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521",
    "ECC_SECG_P256K1", "SM2", "ECC_NIST_EDWARDS25519", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024",
]
HEAD_BYTES = 4096
SENT, SERVER_AWAITS, ANSWERED, CLIENT_AWAITS, SERVER_LEFT = 64, 128, 192, 256, 320
SYS_FUTEX = {"x86_64": 202, "aarch64": 98}[platform.machine()]
FUTEX_WAIT, FUTEX_WAKE = 0, 1
libc = ctypes.CDLL(None, use_errno=True)


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class Refused(Exception):
    pass


class Ring:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        _, files, _, _ = socket.recv_fds(self.socket, 1, 1)
        if not files:
            raise ConnectionRefusedError("the server gave no ring")
        self.memory = mmap.mmap(files[0], 0)
        os.close(files[0])
        self.socket.setblocking(False)
        magic, slots, request, answer = struct.unpack_from("=16sIII", self.memory)
        if magic != b"KEYMILL RING 01\0":
            raise ValueError("a ring of another version")
        self.slots, self.request_bytes, self.answer_bytes = slots, request, answer
        self.number = 0
        # The counts that both sides see, each written in one store. `struct.pack_into` would write a
        # zero first, and a server that saw it would take the client for a broken one.
        self.words = memoryview(self.memory).cast("I")

    def word(self, at):
        return self.words[at // 4]

    def set_word(self, at, value):
        self.words[at // 4] = value

    def futex(self, at, operation, value, timeout=None):
        address = ctypes.addressof(ctypes.c_uint32.from_buffer(self.memory, at))
        timeout = ctypes.byref(timeout) if timeout else None
        libc.syscall(SYS_FUTEX, ctypes.c_void_p(address), operation, value, timeout, None, 0)

    def call(self, key_id, spec, context, dry_run=False):
        """One key pair; raises Refused with the exception's name and text."""
        number, slot = self.number, self.number % self.slots
        key_id = key_id.encode()
        pairs = sorted((k.encode(), v.encode()) for k, v in context.items())
        texts = [text for pair in pairs for text in pair]
        canonical = struct.pack(">I", len(pairs))
        canonical += b"".join(struct.pack(">I", len(text)) + text for text in texts)
        head = struct.pack(
            "=IBBHII", number, 1 + SPECS.index(spec), dry_run, len(key_id), len(canonical), 0
        )
        message = head + key_id + canonical
        start = HEAD_BYTES + slot * self.request_bytes
        if len(message) > self.request_bytes:
            raise ValueError("key id and context are too long")
        self.memory[start : start + len(message)] = message
        self.number = (number + 1) % 2**32
        self.set_word(SENT, self.number)
        # Python has no fence here; a server that falls asleep between these lines looks again
        # within a tenth of a second.
        if self.word(SERVER_AWAITS):
            self.futex(SENT, FUTEX_WAKE, 1)
        self.wait(number)
        start = HEAD_BYTES + self.slots * self.request_bytes + slot * self.answer_bytes
        return self.read(number, self.memory[start : start + self.answer_bytes])

    def wait(self, number):
        deadline = time.monotonic() + 50e-6
        while self.word(ANSWERED) == number:
            if time.monotonic() < deadline:
                continue
            self.set_word(CLIENT_AWAITS, 1)
            self.futex(ANSWERED, FUTEX_WAIT, number, Timespec(0, 100_000_000))
            self.set_word(CLIENT_AWAITS, 0)
            if self.word(ANSWERED) == number and self.is_over():
                raise ConnectionError("the server has gone")

    def is_over(self):
        try:
            return self.word(SERVER_LEFT) == 1 or self.socket.recv(1) == b""
        except BlockingIOError:
            return False

    @staticmethod
    def read(number, slot):
        seen, kind, _, first, second, third = struct.unpack_from("=IBBHHH", slot)
        if seen != number:
            raise ConnectionError("the slot holds another answer")
        texts, cut = slot[44:], first + second
        if kind:
            raise Refused(texts[:first].decode(), texts[first:cut].decode())
        return {
            "KeyId": texts[:first].decode(),
            "KeyMaterialId": slot[12:44].hex(),
            "PublicKey": texts[first:cut],
            "PrivateKeyCiphertextBlob": texts[cut : cut + third],
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("--key-id", default="alias/default")
    parser.add_argument("--spec", default="ECC_NIST_P256", choices=SPECS)
    parser.add_argument("--context", default="{}", help="a JSON object of strings")
    parser.add_argument("--count", type=int, default=1)
    arguments = parser.parse_args()
    ring, context = Ring(arguments.path), json.loads(arguments.context)
    for _ in range(arguments.count):
        try:
            pair = ring.call(arguments.key_id, arguments.spec, context)
        except Refused as refused:
            raise SystemExit(": ".join(refused.args)) from None
        for blob in ("PublicKey", "PrivateKeyCiphertextBlob"):
            pair[blob] = base64.b64encode(pair[blob]).decode()
        print(json.dumps(pair))


if __name__ == "__main__":
    main()
