#!/usr/bin/env python3
"""Judges RSA keys that tools/confirm.rs wrote, by libraries that had no part in making them.

    cargo run --release --example confirm -- RSA_2048 10000 > keys.txt
    python3 tools/confirm.py keys.txt [--openssl 2000]

Needs `gmpy2` and `cryptography`. Of every key: both primes by GMP (trial division, a Baillie-PSW
test and 15 rounds of Miller-Rabin), the ranges and relations of FIPS 186-5 A.1.1 and A.1.3, and that no
prime comes twice. Of the first ones: `RSA_check_key` of OpenSSL when loading, one signature made by
OpenSSL and verified by GMP's power, and the same the other way round. Of all primes together:
whether their leading bytes and small residues are even, by chi-squared.
"""

import argparse
import functools
import hashlib
import multiprocessing
import os
import sys

import gmpy2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

E = 65537
# DigestInfo of SHA-256 (RFC 8017, section 9.2, note 1).
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
# A sound generator exceeds the critical value once in this many samples.
FALSE_ALARM = 1e6


def read_element(der, at, tag):
    """Contents of the element at `at`, and where the next one starts (X.690, definite lengths)."""
    if der[at] != tag:
        raise ValueError(f"tag {der[at]:02x} at {at}, not {tag:02x}")
    length, at = der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        length, at = int.from_bytes(der[at : at + octets], "big"), at + octets
    return der[at : at + length], at + length


def read_key(der):
    """n, e, d, p, q, dp, dq and qinv of a PKCS#8 key."""
    info, end = read_element(der, 0, 0x30)
    if end != len(der):
        raise ValueError("bytes after the key")
    _, at = read_element(info, 0, 0x02)
    _, at = read_element(info, at, 0x30)
    octets, _ = read_element(info, at, 0x04)
    key, _ = read_element(octets, 0, 0x30)
    numbers, at = [], 0
    while at < len(key):
        contents, at = read_element(key, at, 0x02)
        numbers.append(gmpy2.mpz(int.from_bytes(contents, "big", signed=True)))
    if len(numbers) != 9 or numbers[0] != 0:
        raise ValueError("not a key of two primes")
    return numbers[1:]


def laws(key):
    """Names of the laws, each with whether the key keeps it."""
    n, e, d, p, q, dp, dq, qinv = key
    bits = n.bit_length()
    lcm = gmpy2.lcm(p - 1, q - 1)
    half = bits // 2
    in_range = all(x.bit_length() == half and 2 * x * x >= gmpy2.mpz(1) << bits for x in (p, q))
    return {
        "n is of full length": bits in (2048, 3072, 4096),
        "e is 65537": e == E,
        "n = p q": n == p * q,
        "p is prime (GMP)": gmpy2.is_prime(p, 40),
        "q is prime (GMP)": gmpy2.is_prime(q, 40),
        "p and q in [sqrt(2) 2^(b-1), 2^b)": in_range,
        "|p - q| > 2^(b - 100)": abs(p - q) > gmpy2.mpz(1) << (half - 100),
        "e coprime to p - 1 and q - 1": gmpy2.gcd(e, (p - 1) * (q - 1)) == 1,
        "d = e^-1 mod lcm(p - 1, q - 1), the least": d == gmpy2.invert(e, lcm) and d < lcm,
        "d > 2^(nlen/2)": d > gmpy2.mpz(1) << half,
        "dp = d mod p - 1": dp == d % (p - 1),
        "dq = d mod q - 1": dq == d % (q - 1),
        "qinv = q^-1 mod p": qinv == gmpy2.invert(q, p),
    }


def encoded(message, length):
    """EMSA-PKCS1-v1_5 (RFC 8017, section 9.2)."""
    tail = DIGEST_INFO + hashlib.sha256(message).digest()
    return b"\0\1" + b"\xff" * (length - len(tail) - 3) + b"\0" + tail


def openssl_agrees(der, key):
    """Whether OpenSSL accepts the key, and signs and verifies as GMP does."""
    n, e, d = key[:3]
    length = n.bit_length() // 8
    # The constructor runs RSA_check_key, with primality tests.
    private = serialization.load_der_private_key(der, None)
    message = os.urandom(32)
    theirs = private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    opened = gmpy2.powmod(int.from_bytes(theirs, "big"), e, n)
    block = int.from_bytes(encoded(message, length), "big")
    ours = int(gmpy2.powmod(block, d, n)).to_bytes(length, "big")
    # Raises where the signature is not valid.
    private.public_key().verify(ours, message, padding.PKCS1v15(), hashes.SHA256())
    return opened == block and ours == theirs


def judge(line, openssl):
    """Number of a line, the laws that its key breaks, and its primes."""
    number, text = line
    der = bytes.fromhex(text)
    key = read_key(der)
    broken = [name for name, kept in laws(key).items() if not kept]
    if number <= openssl and not openssl_agrees(der, key):
        broken.append("OpenSSL agrees")
    return number, broken, key[3:5]


def critical(degrees):
    """Upper quantile of chi-squared for FALSE_ALARM (Wilson and Hilferty, 1931)."""
    from statistics import NormalDist

    z = NormalDist().inv_cdf(1 - 1 / FALSE_ALARM)
    part = 2 / (9 * degrees)
    return degrees * (1 - part + z * part**0.5) ** 3


def judge_evenness(name, counts, weights):
    """Prints chi-squared of counts against weights; whether it stays below the critical value."""
    scale = sum(counts) / sum(weights)
    chi = sum((c - w * scale) ** 2 / (w * scale) for c, w in zip(counts, weights))
    bound = critical(len(counts) - 1)
    print(f"  {name}: chi-squared {chi:.1f}, {len(counts) - 1} degrees, critical {bound:.1f}")
    return chi < bound


def distribution_is_even(primes):
    """Leading bytes (sqrt(2) 2^7 = 181.02 is the lowest) and residues modulo small primes."""
    bits = primes[0].bit_length()
    leading = [0] * 75
    for p in primes:
        leading[int(p >> (bits - 8)) - 181] += 1
    weights = [182 - 256 / 2**0.5] + [1] * 74
    even = judge_evenness("leading byte", leading, weights)
    for modulus in (3, 5, 7, 11, 13, 17, 19):
        counts = [0] * (modulus - 1)
        for p in primes:
            counts[int(p % modulus) - 1] += 1
        even &= judge_evenness(f"residue modulo {modulus}", counts, [1] * len(counts))
    return even


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("keys", help="file of hexadecimal PKCS#8, one key a line")
    parser.add_argument("--openssl", type=int, default=2000, help="keys for OpenSSL to check")
    parser.add_argument("--processes", type=int, help="by default one a core")
    arguments = parser.parse_args()
    primes, faults = [], 0
    with open(arguments.keys, encoding="ascii") as file:
        lines = list(enumerate(file, 1))
    checked = min(len(lines), arguments.openssl)
    judge_line = functools.partial(judge, openssl=arguments.openssl)
    with multiprocessing.Pool(arguments.processes) as pool:
        for number, broken, pair in pool.imap(judge_line, lines, chunksize=16):
            for name in broken:
                faults += 1
                print(f"{arguments.keys}:{number}: not so: {name}")
            primes += pair
    if not primes:
        sys.exit(f"{arguments.keys}: no keys")
    if len(set(primes)) != len(primes):
        faults += 1
        print("a prime comes twice")
    print(f"{len(primes)} primes of {primes[0].bit_length()} bits: {gmpy2.mp_version()} agrees")
    print(f"{checked} keys: checked by OpenSSL, signed and verified there and by GMP")
    print(f"distribution, a false alarm once in {FALSE_ALARM:.0e} samples:")
    faults += not distribution_is_even(primes)
    if faults:
        sys.exit(f"{faults} faults")
    print("no fault")


if __name__ == "__main__":
    main()
