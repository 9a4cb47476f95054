//! SubjectPublicKeyInfo (RFC 5280) and PKCS#8 PrivateKeyInfo (RFC 5958) of every spec but RSA,
//! written into the caller's buffers.
//!
//! These have fixed lengths, so that an encoding is a constant with a few fields patched in. The
//! forms are OpenSSL's: an `ECPrivateKey` (RFC 5915) with the public key and without a second copy
//! of the curve's OID, Ed25519 as version 0 without public key (RFC 8410), ML-KEM as its seed (RFC
//! 9935). Constant time in the values. RSA keys are written in [`rsa`](crate::crypto::rsa).

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
// Inlined where `spec` is known, the templates are constants and all lengths too.
#[inline]
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

#[inline]
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
