//! SubjectPublicKeyInfo (RFC 5280) and PKCS#8 PrivateKeyInfo (RFC 5958), written into the
//! caller's buffers.
//!
//! Everything but RSA has a fixed length, so that its encoding is a constant with a few fields
//! patched in. The forms are OpenSSL's: an `ECPrivateKey` (RFC 5915) with the public key and
//! without a second copy of the curve's OID, Ed25519 as version 0 without public key (RFC 8410),
//! ML-KEM as its seed (RFC 9935), RSA as two primes with all CRT values (RFC 8017).
//!
//! Constant time in the values; the length of an RSA key's integers, and so how often their
//! first bytes are zero, shows in the length of the encoding and in the time to write it.

use crate::spec::KeyPairSpec;

/// The constant parts of an encoding.
struct Template {
    /// SPKI before the public key.
    public: &'static [u8],
    /// PKCS#8 before the private key.
    private: &'static [u8],
    /// PKCS#8 between private and public key.
    between: &'static [u8],
}

/// Decodes hex digits at compile time.
macro_rules! hex {
    ($digits:literal) => {{
        const BYTES: [u8; $digits.len() / 2] = {
            let digits = $digits.as_bytes();
            let mut bytes = [0; $digits.len() / 2];
            let mut at = 0;
            while at < bytes.len() {
                bytes[at] = nibble(digits[2 * at]) << 4 | nibble(digits[2 * at + 1]);
                at += 1;
            }
            bytes
        };
        &BYTES
    }};
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => panic!("a lower-case hex digit"),
    }
}

#[rustfmt::skip]
const fn template(spec: KeyPairSpec) -> Template {
    use KeyPairSpec::{
        EccNistEdwards25519, EccNistP256, EccNistP384, EccNistP521, EccSecgP256k1, MlKem512,
        MlKem768, MlKem1024, Sm2,
    };
    match spec {
        EccNistP256 => Template {
            public: hex!("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
            private: hex!("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"),
            between: hex!("a144034200"),
        },
        EccNistP384 => Template {
            public: hex!("3076301006072a8648ce3d020106052b81040022036200"),
            private: hex!("3081b6020100301006072a8648ce3d020106052b8104002204819e30819b0201010430"),
            between: hex!("a164036200"),
        },
        EccNistP521 => Template {
            public: hex!("30819b301006072a8648ce3d020106052b8104002303818600"),
            private: hex!("3081ee020100301006072a8648ce3d020106052b810400230481d63081d30201010442"),
            between: hex!("a1818903818600"),
        },
        EccSecgP256k1 => Template {
            public: hex!("3056301006072a8648ce3d020106052b8104000a034200"),
            private: hex!("308184020100301006072a8648ce3d020106052b8104000a046d306b0201010420"),
            between: hex!("a144034200"),
        },
        Sm2 => Template {
            public: hex!("3059301306072a8648ce3d020106082a811ccf5501822d034200"),
            private: hex!("308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420"),
            between: hex!("a144034200"),
        },
        EccNistEdwards25519 => Template {
            public: hex!("302a300506032b6570032100"),
            private: hex!("302e020100300506032b657004220420"),
            between: &[],
        },
        MlKem512 => Template {
            public: hex!("30820332300b06096086480165030404010382032100"),
            private: hex!("3054020100300b060960864801650304040104428040"),
            between: &[],
        },
        MlKem768 => Template {
            public: hex!("308204b2300b0609608648016503040402038204a100"),
            private: hex!("3054020100300b060960864801650304040204428040"),
            between: &[],
        },
        MlKem1024 => Template {
            public: hex!("30820632300b06096086480165030404030382062100"),
            private: hex!("3054020100300b060960864801650304040304428040"),
            between: &[],
        },
        KeyPairSpec::Rsa2048 | KeyPairSpec::Rsa3072 | KeyPairSpec::Rsa4096 => {
            panic!("RSA keys have no fixed encoding")
        }
    }
}

/// Writes a pair of any spec but RSA; returns the length of the PKCS#8.
///
/// `private` is the scalar, big-endian and as long as the field (elliptic curves), or the seed
/// (Ed25519, ML-KEM). `public` is the uncompressed point (04, x, y), the encoded point, or the
/// encapsulation key.
///
/// # Panics
///
/// If the parts or the buffers have not the spec's lengths, or `spec` is RSA.
pub fn write_fixed(
    spec: KeyPairSpec,
    private: &[u8],
    public: &[u8],
    spki: &mut [u8],
    pkcs8: &mut [u8],
) -> usize {
    let template = template(spec);
    concatenate(spki, &[template.public, public]);
    if template.between.is_empty() {
        concatenate(pkcs8, &[template.private, private])
    } else {
        concatenate(pkcs8, &[template.private, private, template.between, public])
    }
}

fn concatenate(mut out: &mut [u8], parts: &[&[u8]]) -> usize {
    let room = out.len();
    for part in parts {
        out.split_off_mut(..part.len()).expect("room for the key").copy_from_slice(part);
    }
    assert!(out.is_empty(), "a key of this spec fills its room");
    room
}

/// The private key within the PKCS#8 of any spec but RSA, if that is encoded as here.
#[must_use]
pub fn read_fixed(spec: KeyPairSpec, pkcs8: &[u8]) -> Option<&[u8]> {
    if pkcs8.len() != spec.private_key_bytes_max() {
        return None;
    }
    let template = template(spec);
    let rest = pkcs8.strip_prefix(template.private)?;
    match template.between {
        [] => Some(rest),
        between => {
            let point = spec.public_key_bytes() - template.public.len();
            let (private, rest) =
                rest.split_at_checked(rest.len().checked_sub(between.len() + point)?)?;
            rest.starts_with(between).then_some(private)
        }
    }
}

/// The numbers of an RSA key pair, big-endian; zeros in front are allowed. e is 65537.
#[derive(Clone, Copy)]
pub struct RsaNumbers<'a> {
    /// The modulus, p * q.
    pub n: &'a [u8],
    /// The private exponent.
    pub d: &'a [u8],
    /// The first prime.
    pub p: &'a [u8],
    /// The second prime.
    pub q: &'a [u8],
    /// d mod (p - 1).
    pub dp: &'a [u8],
    /// d mod (q - 1).
    pub dq: &'a [u8],
    /// The inverse of q modulo p.
    pub qinv: &'a [u8],
}

impl core::fmt::Debug for RsaNumbers<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RsaNumbers(..)")
    }
}

const RSA_ENCRYPTION: &[u8] = hex!("300d06092a864886f70d0101010500");
const E: &[u8] = &[1, 0, 1];
const ZERO: &[u8] = &[0];

/// Writes an RSA pair; returns the length of the PKCS#8.
///
/// # Panics
///
/// If the buffers are too small: `spki` must have exactly the spec's length.
pub fn write_rsa(numbers: &RsaNumbers<'_>, spki: &mut [u8], pkcs8: &mut [u8]) -> usize {
    let RsaNumbers { n, d, p, q, dp, dq, qinv } = *numbers;
    let public = [n, E];
    let bits = 1 + with_header(integers(&public));
    let mut out = Writer { out: spki, at: 0 };
    out.header(0x30, RSA_ENCRYPTION.len() + with_header(bits));
    out.bytes(RSA_ENCRYPTION);
    out.header(0x03, bits);
    out.bytes(ZERO);
    out.sequence(&public);
    assert_eq!(out.at, out.out.len(), "a public key of this size fills its room");

    let private = [ZERO, n, E, d, p, q, dp, dq, qinv];
    let octets = with_header(integers(&private));
    let mut out = Writer { out: pkcs8, at: 0 };
    out.header(0x30, 3 + RSA_ENCRYPTION.len() + with_header(octets));
    out.integer(ZERO);
    out.bytes(RSA_ENCRYPTION);
    out.header(0x04, octets);
    out.sequence(&private);
    out.at
}

struct Writer<'o> {
    out: &'o mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..][..bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn header(&mut self, tag: u8, length: usize) {
        let [.., high, low] = length.to_be_bytes();
        match length {
            0..0x80 => self.bytes(&[tag, low]),
            0x80..0x100 => self.bytes(&[tag, 0x81, low]),
            _ => self.bytes(&[tag, 0x82, high, low]),
        }
    }

    fn integer(&mut self, number: &[u8]) {
        let digits = significant(number);
        let sign = digits[0] >> 7;
        self.header(0x02, digits.len() + usize::from(sign));
        if sign == 1 {
            self.bytes(ZERO);
        }
        self.bytes(digits);
    }

    fn sequence(&mut self, numbers: &[&[u8]]) {
        self.header(0x30, integers(numbers));
        for number in numbers {
            self.integer(number);
        }
    }
}

/// `number` without the zeros in front, but with one digit at least.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|digit| **digit == 0).count();
    &number[zeros.min(number.len() - 1)..]
}

/// Length of `numbers` as DER INTEGERs.
fn integers(numbers: &[&[u8]]) -> usize {
    let integer = |number: &&[u8]| {
        let digits = significant(number);
        with_header(digits.len() + usize::from(digits[0] >> 7))
    };
    numbers.iter().map(integer).sum()
}

/// Length of an element whose content has `length` bytes.
const fn with_header(length: usize) -> usize {
    match length {
        0..0x80 => 2 + length,
        0x80..0x100 => 3 + length,
        _ => 4 + length,
    }
}
