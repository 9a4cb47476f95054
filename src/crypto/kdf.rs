//! Key derivation: the counter-mode KDF of NIST SP 800-108r1 (section 4.1) over HMAC-SHA-256.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::secret::Secret;

/// A key of HMAC-SHA-256 that has absorbed its two padded blocks, which are half of what a tag of a
/// few short parts costs. Zeroed on drop.
#[derive(Clone, Debug)]
pub struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    /// A key of any length.
    ///
    /// # Panics
    ///
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The tag of `parts` one after the other.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> Secret<[u8; 32]> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        let mut digest = mac.finalize().into_bytes();
        let mut out = Secret::new([0; 32]);
        out.expose_mut().copy_from_slice(&digest);
        digest.as_mut_slice().zeroize();
        out
    }

    /// Derives 256 bits.
    ///
    /// One block of the counter mode: a 32-bit counter, then `label`, a zero byte, `context`, and
    /// the 32-bit output length in bits.
    #[must_use]
    pub fn derive(&self, label: &[u8], context: &[u8]) -> Secret<[u8; 32]> {
        self.tag(&[&1_u32.to_be_bytes(), label, &[0], context, &256_u32.to_be_bytes()])
    }
}

/// Derives 256 bits from `key`, as [`HmacKey::derive`].
#[must_use]
pub fn kbkdf_hmac_sha256(key: &[u8; 32], label: &[u8], context: &[u8]) -> Secret<[u8; 32]> {
    HmacKey::new(key).derive(label, context)
}

/// HMAC-SHA-256 of `parts` one after the other.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Secret<[u8; 32]> {
    HmacKey::new(key).tag(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::vectors::{from_hex, lines};

    /// NIST CAVP; origin in `tests/data/README.md`. The fixed data is given as a whole there.
    #[test]
    fn block_matches_the_published_vectors() {
        let mut whole = 0;
        let file = include_str!("../../tests/data/kbkdf_counter_hmac_sha256.txt");
        for [key, fixed, expected] in lines(file).map(|fields: [&str; 3]| fields.map(from_hex)) {
            let key: [u8; 32] = key.try_into().unwrap();
            let out = hmac_sha256(&key, &[&1_u32.to_be_bytes(), &fixed]);
            assert_eq!(out.expose()[..expected.len()], expected);
            whole += usize::from(expected.len() == 32);
        }
        assert_eq!(whole, 10, "vectors of the whole output");
    }

    #[test]
    fn label_and_context_match_an_independent_implementation() {
        // Computed with pyca/cryptography: KBKDFHMAC(SHA256, CounterMode, 32, rlen=4, llen=4,
        // BeforeFixed, label=b"label", context=b"context") over the key 00 01 .. 1f.
        let key: [u8; 32] = core::array::from_fn(|i| u8::try_from(i).unwrap());
        let derived = kbkdf_hmac_sha256(&key, b"label", b"context");
        let expected = "303790cfe363abe9682dbfff5941f23b32addc96da72f4c7e5b20e9f59a4e570";
        assert_eq!(derived.expose().as_slice(), from_hex(expected));
    }
}
