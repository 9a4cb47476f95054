//! What can be done with a KMS key, algorithm by algorithm, by the names in the KMS service model.

use super::names::names;
use super::{KeyPairSpec, KeySpec, KeyUsage};

names! {
    /// How a KMS key encrypts: `EncryptionAlgorithmSpec` of the service model.
    EncryptionAlgorithm {
        /// AES-256-GCM, in ciphertext blobs of our own.
        SymmetricDefault = "SYMMETRIC_DEFAULT",
        /// RSAES-OAEP with SHA-1 (RFC 8017, section 7.1).
        RsaesOaepSha1 = "RSAES_OAEP_SHA_1",
        /// RSAES-OAEP with SHA-256.
        RsaesOaepSha256 = "RSAES_OAEP_SHA_256",
        /// SM2 public key encryption (GB/T 32918.4).
        Sm2Pke = "SM2PKE",
    }
}

names! {
    /// How a KMS key signs: `SigningAlgorithmSpec` of the service model.
    SigningAlgorithm {
        /// RSASSA-PSS with SHA-256 and a salt as long (RFC 8017, section 8.1).
        RsassaPssSha256 = "RSASSA_PSS_SHA_256",
        /// RSASSA-PSS with SHA-384 and a salt as long.
        RsassaPssSha384 = "RSASSA_PSS_SHA_384",
        /// RSASSA-PSS with SHA-512 and a salt as long.
        RsassaPssSha512 = "RSASSA_PSS_SHA_512",
        /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2).
        RsassaPkcs1V15Sha256 = "RSASSA_PKCS1_V1_5_SHA_256",
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        RsassaPkcs1V15Sha384 = "RSASSA_PKCS1_V1_5_SHA_384",
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        RsassaPkcs1V15Sha512 = "RSASSA_PKCS1_V1_5_SHA_512",
        /// ECDSA with SHA-256 (FIPS 186-5, section 6).
        EcdsaSha256 = "ECDSA_SHA_256",
        /// ECDSA with SHA-384.
        EcdsaSha384 = "ECDSA_SHA_384",
        /// ECDSA with SHA-512.
        EcdsaSha512 = "ECDSA_SHA_512",
        /// SM2 with SM3 (GB/T 32918.2), under the distinguishing identifier `1234567812345678`.
        Sm2Dsa = "SM2DSA",
        /// ML-DSA (FIPS 204), with an empty context.
        MlDsaShake256 = "ML_DSA_SHAKE_256",
        /// Ed25519 (RFC 8032).
        Ed25519Sha512 = "ED25519_SHA_512",
        /// Ed25519ph (RFC 8032), with an empty context.
        Ed25519PhSha512 = "ED25519_PH_SHA_512",
    }
}

names! {
    /// How a KMS key authenticates: `MacAlgorithmSpec` of the service model.
    MacAlgorithm {
        /// HMAC with SHA-224 (FIPS 198-1).
        HmacSha224 = "HMAC_SHA_224",
        /// HMAC with SHA-256.
        HmacSha256 = "HMAC_SHA_256",
        /// HMAC with SHA-384.
        HmacSha384 = "HMAC_SHA_384",
        /// HMAC with SHA-512.
        HmacSha512 = "HMAC_SHA_512",
    }
}

names! {
    /// How a KMS key agrees on a secret: `KeyAgreementAlgorithmSpec` of the service model.
    KeyAgreementAlgorithm {
        /// Elliptic curve Diffie-Hellman (SP 800-56A, section 5.7.1.2).
        Ecdh = "ECDH",
    }
}

names! {
    /// How a KMS key encapsulates a secret: `EncapsulationAlgorithmSpec` of the service model.
    EncapsulationAlgorithm {
        /// ML-KEM (FIPS 203).
        MlKem = "ML_KEM",
    }
}

impl MacAlgorithm {
    /// Length of a MAC, and of the key that makes it, in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::HmacSha224 => 28,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }
}

impl EncryptionAlgorithm {
    /// The longest plaintext under a key of `spec`, in bytes; RSA leaves what its padding does (RFC
    /// 8017, section 7.1.1).
    #[must_use]
    pub const fn plaintext_bytes_max(self, spec: KeySpec) -> usize {
        let modulus = match spec {
            KeySpec::Pair(pair) => match pair.rsa_bits() {
                Some(bits) => bits / 8,
                None => 0,
            },
            _ => 0,
        };
        match self {
            Self::SymmetricDefault => crate::limits::PLAINTEXT_BYTES_MAX,
            Self::RsaesOaepSha1 => modulus.saturating_sub(2 * 20 + 2),
            Self::RsaesOaepSha256 => modulus.saturating_sub(2 * 32 + 2),
            Self::Sm2Pke => crate::limits::SM2_PLAINTEXT_BYTES_MAX,
        }
    }
}

/// Every algorithm of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithms {
    /// Those of `Encrypt`, `Decrypt` and `ReEncrypt`.
    pub encryption: &'static [EncryptionAlgorithm],
    /// Those of `Sign` and `Verify`.
    pub signing: &'static [SigningAlgorithm],
    /// Those of `GenerateMac` and `VerifyMac`.
    pub mac: &'static [MacAlgorithm],
    /// Those of `DeriveSharedSecret`.
    pub key_agreement: &'static [KeyAgreementAlgorithm],
    /// Those of `Encapsulate` and `Decapsulate`.
    pub encapsulation: &'static [EncapsulationAlgorithm],
}

impl Algorithms {
    /// Those of a key of this kind (KMS developer guide, "Key spec reference").
    #[must_use]
    pub const fn of(spec: KeySpec, usage: KeyUsage) -> Self {
        let none = Self {
            encryption: &[],
            signing: &[],
            mac: &[],
            key_agreement: &[],
            encapsulation: &[],
        };
        match usage {
            KeyUsage::EncryptDecrypt => Self { encryption: encryption(spec), ..none },
            KeyUsage::SignVerify => Self { signing: signing(spec), ..none },
            KeyUsage::GenerateVerifyMac => Self { mac: mac(spec), ..none },
            KeyUsage::KeyAgreement => {
                Self { key_agreement: &[KeyAgreementAlgorithm::Ecdh], ..none }
            }
            KeyUsage::EncapsulateDecapsulate => {
                Self { encapsulation: &[EncapsulationAlgorithm::MlKem], ..none }
            }
        }
    }
}

const fn encryption(spec: KeySpec) -> &'static [EncryptionAlgorithm] {
    use EncryptionAlgorithm as A;
    match spec {
        KeySpec::SymmetricDefault => &[A::SymmetricDefault],
        KeySpec::Pair(KeyPairSpec::Sm2) => &[A::Sm2Pke],
        KeySpec::Pair(pair) if pair.rsa_bits().is_some() => &[A::RsaesOaepSha1, A::RsaesOaepSha256],
        _ => &[],
    }
}

const fn signing(spec: KeySpec) -> &'static [SigningAlgorithm] {
    use KeyPairSpec as P;
    use SigningAlgorithm as A;
    match spec {
        KeySpec::Pair(P::Rsa2048 | P::Rsa3072 | P::Rsa4096) => &[
            A::RsassaPkcs1V15Sha256,
            A::RsassaPkcs1V15Sha384,
            A::RsassaPkcs1V15Sha512,
            A::RsassaPssSha256,
            A::RsassaPssSha384,
            A::RsassaPssSha512,
        ],
        KeySpec::Pair(P::EccNistP256 | P::EccSecgP256k1) => &[A::EcdsaSha256],
        KeySpec::Pair(P::EccNistP384) => &[A::EcdsaSha384],
        KeySpec::Pair(P::EccNistP521) => &[A::EcdsaSha512],
        KeySpec::Pair(P::EccNistEdwards25519) => &[A::Ed25519Sha512, A::Ed25519PhSha512],
        KeySpec::Pair(P::Sm2) => &[A::Sm2Dsa],
        KeySpec::MlDsa(_) => &[A::MlDsaShake256],
        _ => &[],
    }
}

const fn mac(spec: KeySpec) -> &'static [MacAlgorithm] {
    use MacAlgorithm as A;
    match spec {
        KeySpec::Hmac(A::HmacSha224) => &[A::HmacSha224],
        KeySpec::Hmac(A::HmacSha256) => &[A::HmacSha256],
        KeySpec::Hmac(A::HmacSha384) => &[A::HmacSha384],
        KeySpec::Hmac(A::HmacSha512) => &[A::HmacSha512],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limits that the service was recorded to have.
    #[test]
    fn rsa_encrypts_as_much_as_its_padding_leaves() {
        use EncryptionAlgorithm as A;
        for (pair, sha_1, sha_256) in [
            (KeyPairSpec::Rsa2048, 214, 190),
            (KeyPairSpec::Rsa3072, 342, 318),
            (KeyPairSpec::Rsa4096, 470, 446),
        ] {
            let spec = KeySpec::Pair(pair);
            assert_eq!(A::RsaesOaepSha1.plaintext_bytes_max(spec), sha_1);
            assert_eq!(A::RsaesOaepSha256.plaintext_bytes_max(spec), sha_256);
        }
    }

    /// A key has algorithms of its usage, and of no other; of a usage that is not its own, none but
    /// those that depend on no spec.
    #[test]
    fn every_kind_of_key_has_an_algorithm_of_its_usage_only() {
        for spec in KeySpec::ALL {
            for &usage in spec.usages() {
                let Algorithms { encryption, signing, mac, key_agreement, encapsulation } =
                    Algorithms::of(spec, usage);
                let counts = [
                    (KeyUsage::EncryptDecrypt, encryption.len()),
                    (KeyUsage::SignVerify, signing.len()),
                    (KeyUsage::GenerateVerifyMac, mac.len()),
                    (KeyUsage::KeyAgreement, key_agreement.len()),
                    (KeyUsage::EncapsulateDecapsulate, encapsulation.len()),
                ];
                for (other, count) in counts {
                    assert_eq!(count > 0, other == usage, "{spec} {usage} {other}");
                }
            }
        }
    }
}
