//! DER of one RSA key: `SubjectPublicKeyInfo` and PKCS#8 `PrivateKeyInfo` (RFC 8017 A.1,
//! RFC 5958), written forwards into the caller's buffers.

use super::parts::{E, Parts};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// `SEQUENCE { rsaEncryption, NULL }`.
const ALGORITHM: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// Writes both halves; returns the length of the PKCS#8.
pub(super) fn encode(parts: &Parts, spki: &mut [u8], pkcs8: &mut [u8]) -> usize {
    public(&parts.n, spki);
    private(parts, pkcs8)
}

fn public(n: &[u64], out: &mut [u8]) {
    let key = integer_bytes(n) + integer_bytes(&[E]);
    let bits = 1 + element_bytes(key);
    let mut der = Writer { out, at: 0 };
    der.head(SEQUENCE, ALGORITHM.len() + element_bytes(bits));
    der.bytes(&ALGORITHM);
    der.head(BIT_STRING, bits);
    der.bytes(&[0]);
    der.head(SEQUENCE, key);
    der.integer(n);
    der.integer(&[E]);
}

fn private(parts: &Parts, out: &mut [u8]) -> usize {
    let Parts { n, d, p, q, dp, dq, qinv } = parts;
    let numbers: [&[u64]; 9] = [&[0], n, &[E], d, p, q, dp, dq, qinv];
    let key = numbers.iter().map(|number| integer_bytes(number)).sum();
    let mut der = Writer { out, at: 0 };
    let body = integer_bytes(&[0]) + ALGORITHM.len() + element_bytes(element_bytes(key));
    der.head(SEQUENCE, body);
    der.integer(&[0]);
    der.bytes(&ALGORITHM);
    der.head(OCTET_STRING, element_bytes(key));
    der.head(SEQUENCE, key);
    for number in numbers {
        der.integer(number);
    }
    der.at
}

/// Bytes of an INTEGER's contents: one sign bit more than the number has.
fn contents_bytes(number: &[u64]) -> usize {
    let top = number.iter().rposition(|&limb| limb != 0).unwrap_or(0);
    (64 * (top + 1) - number[top].leading_zeros() as usize) / 8 + 1
}

fn integer_bytes(number: &[u64]) -> usize {
    element_bytes(contents_bytes(number))
}

/// Bytes of an element: tag, length, contents.
const fn element_bytes(contents: usize) -> usize {
    let length = match contents {
        0..=0x7f => 1,
        0x80..=0xff => 2,
        _ => 3,
    };
    1 + length + contents
}

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

#[expect(clippy::cast_possible_truncation, reason = "bytes of longer numbers")]
impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..][..bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn head(&mut self, tag: u8, contents: usize) {
        self.bytes(&[tag]);
        match contents {
            0..=0x7f => self.bytes(&[contents as u8]),
            0x80..=0xff => self.bytes(&[0x81, contents as u8]),
            _ => self.bytes(&[0x82, (contents >> 8) as u8, contents as u8]),
        }
    }

    fn integer(&mut self, number: &[u64]) {
        let contents = contents_bytes(number);
        self.head(INTEGER, contents);
        for i in (0..contents).rev() {
            let limb = number.get(i / 8).copied().unwrap_or(0);
            self.bytes(&[(limb >> (i % 8 * 8)) as u8]);
        }
    }
}
