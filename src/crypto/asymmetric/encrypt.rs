//! Encryption to a public key, and its opening: RSAES-OAEP (RFC 8017, section 7.1) without a label,
//! and SM2 (GB/T 32918.4) in the encoding of GM/T 0009.

use sha1::Sha1;
use sha2::Sha256;

use super::{AsymmetricKey, PrivateKey};
use crate::crypto::drbg::Drbg;
use crate::secret::Secret;
use crate::spec::EncryptionAlgorithm;

use EncryptionAlgorithm as A;

impl AsymmetricKey {
    /// Encrypts `plaintext` to the public half. None if the key is not for `algorithm`, or the
    /// plaintext is too long for it.
    pub fn encrypt(
        &self,
        algorithm: EncryptionAlgorithm,
        plaintext: &[u8],
        drbg: &mut Drbg,
    ) -> Option<Vec<u8>> {
        match (&self.private, algorithm) {
            (PrivateKey::Rsa(key), A::RsaesOaepSha1) => {
                key.as_public_key().oaep_encrypt_with_rng::<Sha1, _>(drbg, plaintext).ok()
            }
            (PrivateKey::Rsa(key), A::RsaesOaepSha256) => {
                key.as_public_key().oaep_encrypt_with_rng::<Sha256, _>(drbg, plaintext).ok()
            }
            (PrivateKey::Sm2(key), A::Sm2Pke) => {
                sm2::pke::EncryptingKey::new(key.public_key()).encrypt_der(drbg, plaintext).ok()
            }
            _ => None,
        }
    }

    /// Opens what was encrypted to the public half. None whatever the reason, so that nobody learns
    /// which part of a ciphertext is wrong.
    pub fn decrypt(
        &self,
        algorithm: EncryptionAlgorithm,
        ciphertext: &[u8],
        drbg: &mut Drbg,
    ) -> Option<Secret<Vec<u8>>> {
        let plaintext = match (&self.private, algorithm) {
            (PrivateKey::Rsa(key), A::RsaesOaepSha1) => {
                key.oaep_decrypt_with_rng::<Sha1, _>(drbg, ciphertext).ok()
            }
            (PrivateKey::Rsa(key), A::RsaesOaepSha256) => {
                key.oaep_decrypt_with_rng::<Sha256, _>(drbg, ciphertext).ok()
            }
            (PrivateKey::Sm2(key), A::Sm2Pke) => {
                sm2::pke::DecryptingKey::new(key.clone()).decrypt_der(ciphertext).ok()
            }
            _ => None,
        };
        plaintext.map(Secret::new)
    }
}
