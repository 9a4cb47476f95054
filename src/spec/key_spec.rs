//! `KeySpec` and `KeyUsage`: what kind of key a KMS key is and what it is for, by the names in the
//! KMS service model; and which usage each operation asks for.

use core::fmt;
use core::str::FromStr;

use super::names::{UnknownName, names};
use super::{Action, KeyPairSpec, MacAlgorithm, Operation, Partition};

names! {
    /// What a KMS key is for.
    KeyUsage {
        /// Signing and verifying.
        SignVerify = "SIGN_VERIFY",
        /// Encrypting and decrypting; with a symmetric key, wrapping data keys.
        EncryptDecrypt = "ENCRYPT_DECRYPT",
        /// Making message authentication codes, and verifying them.
        GenerateVerifyMac = "GENERATE_VERIFY_MAC",
        /// Agreeing on a secret with the holder of another key.
        KeyAgreement = "KEY_AGREEMENT",
        /// Encapsulating secrets, and opening them.
        EncapsulateDecapsulate = "ENCAPSULATE_DECAPSULATE",
    }
}

names! {
    /// A parameter set of ML-DSA (FIPS 204).
    MlDsaSpec {
        /// ML-DSA-44.
        MlDsa44 = "ML_DSA_44",
        /// ML-DSA-65.
        MlDsa65 = "ML_DSA_65",
        /// ML-DSA-87.
        MlDsa87 = "ML_DSA_87",
    }
}

/// What kind of key a KMS key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeySpec {
    /// A 256-bit symmetric key.
    #[default]
    SymmetricDefault,
    /// A key pair of a kind of which there are data key pairs too.
    Pair(KeyPairSpec),
    /// A key pair for ML-DSA.
    MlDsa(MlDsaSpec),
    /// A key for HMAC with one hash function.
    Hmac(MacAlgorithm),
}

impl KeySpec {
    /// Every spec, in the order of the service model.
    pub const ALL: [Self; 20] = {
        use KeyPairSpec as P;
        [
            Self::Pair(P::Rsa2048),
            Self::Pair(P::Rsa3072),
            Self::Pair(P::Rsa4096),
            Self::Pair(P::EccNistP256),
            Self::Pair(P::EccNistP384),
            Self::Pair(P::EccNistP521),
            Self::Pair(P::EccSecgP256k1),
            Self::SymmetricDefault,
            Self::Hmac(MacAlgorithm::HmacSha224),
            Self::Hmac(MacAlgorithm::HmacSha256),
            Self::Hmac(MacAlgorithm::HmacSha384),
            Self::Hmac(MacAlgorithm::HmacSha512),
            Self::Pair(P::Sm2),
            Self::MlDsa(MlDsaSpec::MlDsa44),
            Self::MlDsa(MlDsaSpec::MlDsa65),
            Self::MlDsa(MlDsaSpec::MlDsa87),
            Self::Pair(P::EccNistEdwards25519),
            Self::Pair(P::MlKem512),
            Self::Pair(P::MlKem768),
            Self::Pair(P::MlKem1024),
        ]
    };

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SymmetricDefault => "SYMMETRIC_DEFAULT",
            Self::Pair(spec) => spec.name(),
            Self::MlDsa(spec) => spec.name(),
            Self::Hmac(MacAlgorithm::HmacSha224) => "HMAC_224",
            Self::Hmac(MacAlgorithm::HmacSha256) => "HMAC_256",
            Self::Hmac(MacAlgorithm::HmacSha384) => "HMAC_384",
            Self::Hmac(MacAlgorithm::HmacSha512) => "HMAC_512",
        }
    }

    /// What a key of this spec can be for (KMS developer guide, "Key spec reference").
    #[must_use]
    pub const fn usages(self) -> &'static [KeyUsage] {
        use KeyPairSpec as P;
        use KeyUsage as U;
        match self {
            Self::SymmetricDefault => &[U::EncryptDecrypt],
            Self::Pair(P::Rsa2048 | P::Rsa3072 | P::Rsa4096) => &[U::EncryptDecrypt, U::SignVerify],
            Self::Pair(P::EccNistP256 | P::EccNistP384 | P::EccNistP521) => {
                &[U::SignVerify, U::KeyAgreement]
            }
            Self::Pair(P::Sm2) => &[U::EncryptDecrypt, U::SignVerify, U::KeyAgreement],
            Self::Pair(P::MlKem512 | P::MlKem768 | P::MlKem1024) => &[U::EncapsulateDecapsulate],
            Self::Pair(P::EccSecgP256k1 | P::EccNistEdwards25519) | Self::MlDsa(_) => {
                &[U::SignVerify]
            }
            Self::Hmac(_) => &[U::GenerateVerifyMac],
        }
    }

    /// The spec, if `CustomerMasterKeySpec`, the older name of the enum, has it too.
    #[must_use]
    pub const fn in_older_enum(self) -> Option<Self> {
        use KeyPairSpec as P;
        match self {
            Self::MlDsa(_)
            | Self::Pair(P::EccNistEdwards25519 | P::MlKem512 | P::MlKem768 | P::MlKem1024) => None,
            older => Some(older),
        }
    }

    /// Whether it has a public half.
    #[must_use]
    pub const fn is_asymmetric(self) -> bool {
        matches!(self, Self::Pair(_) | Self::MlDsa(_))
    }

    /// Whether the service offers the spec in `partition`.
    #[must_use]
    pub fn offered_in(self, partition: Partition) -> bool {
        match self {
            Self::Pair(spec) => spec.offered_in(partition),
            _ => true,
        }
    }
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for KeySpec {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|spec| spec.name() == text).ok_or(UnknownName)
    }
}

impl KeyUsage {
    /// The usage a key must have for `operation`, if that matters.
    #[must_use]
    pub const fn wanted_for(operation: Operation) -> Option<Self> {
        use Operation as O;
        Some(match operation {
            O::Decrypt
            | O::Encrypt
            | O::GenerateDataKey
            | O::GenerateDataKeyPair
            | O::GenerateDataKeyPairWithoutPlaintext
            | O::GenerateDataKeyWithoutPlaintext
            | O::ReEncrypt => Self::EncryptDecrypt,
            O::Sign | O::Verify => Self::SignVerify,
            O::GenerateMac | O::VerifyMac => Self::GenerateVerifyMac,
            O::DeriveSharedSecret => Self::KeyAgreement,
            O::Decapsulate | O::Encapsulate => Self::EncapsulateDecapsulate,
            _ => return None,
        })
    }
}

/// Whether `operation` wraps a data key, which only symmetric keys do.
#[must_use]
pub const fn wraps_data_key(operation: Operation) -> bool {
    use Operation as O;
    matches!(
        operation,
        O::GenerateDataKey
            | O::GenerateDataKeyPair
            | O::GenerateDataKeyPairWithoutPlaintext
            | O::GenerateDataKeyWithoutPlaintext
    )
}

impl Action {
    /// Whether a key of this kind is good for it.
    #[must_use]
    pub fn suits(self, spec: KeySpec, usage: KeyUsage) -> bool {
        let operation = self.operation();
        if operation == Operation::GetPublicKey {
            return spec.is_asymmetric();
        }
        KeyUsage::wanted_for(operation).is_none_or(|wanted| wanted == usage)
            && (!wraps_data_key(operation) || spec == KeySpec::SymmetricDefault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns: `SIGN_VERIFY`, `ENCRYPT_DECRYPT`, `GENERATE_VERIFY_MAC`, `KEY_AGREEMENT`,
    /// `ENCAPSULATE_DECAPSULATE`.
    const TABLE: [(&str, &str); 20] = [
        ("RSA_2048", "++   "),
        ("RSA_3072", "++   "),
        ("RSA_4096", "++   "),
        ("ECC_NIST_P256", "+  + "),
        ("ECC_NIST_P384", "+  + "),
        ("ECC_NIST_P521", "+  + "),
        ("ECC_SECG_P256K1", "+    "),
        ("SYMMETRIC_DEFAULT", " +   "),
        ("HMAC_224", "  +  "),
        ("HMAC_256", "  +  "),
        ("HMAC_384", "  +  "),
        ("HMAC_512", "  +  "),
        ("SM2", "++ + "),
        ("ML_DSA_44", "+    "),
        ("ML_DSA_65", "+    "),
        ("ML_DSA_87", "+    "),
        ("ECC_NIST_EDWARDS25519", "+    "),
        ("ML_KEM_512", "    +"),
        ("ML_KEM_768", "    +"),
        ("ML_KEM_1024", "    +"),
    ];

    #[test]
    fn every_spec_has_the_usages_of_the_developer_guide() {
        for (spec, (name, cells)) in KeySpec::ALL.into_iter().zip(TABLE) {
            assert_eq!((spec.name(), name.parse()), (name, Ok(spec)));
            let mark = |usage| if spec.usages().contains(usage) { '+' } else { ' ' };
            assert_eq!(KeyUsage::ALL.iter().map(mark).collect::<String>(), cells, "{spec}");
        }
    }

    /// The columns: a symmetric key; RSA to sign, and to encrypt; P-256 to sign, and to agree; HMAC;
    /// ML-KEM.
    const SUITS: [(&str, &str); 8] = [
        ("DescribeKey CreateGrant RetireGrant", "+++++++"),
        ("Encrypt Decrypt ReEncrypt", "+ +    "),
        (
            "GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair \
             GenerateDataKeyPairWithoutPlaintext",
            "+      ",
        ),
        ("Sign Verify", " + +   "),
        ("GetPublicKey", " ++++ +"),
        ("GenerateMac VerifyMac", "     + "),
        ("DeriveSharedSecret", "    +  "),
        ("Encapsulate Decapsulate", "      +"),
    ];

    #[test]
    fn every_operation_is_for_keys_of_its_kind() {
        let (rsa, p256) = (KeyPairSpec::Rsa2048, KeyPairSpec::EccNistP256);
        let kinds = [
            (KeySpec::SymmetricDefault, KeyUsage::EncryptDecrypt),
            (KeySpec::Pair(rsa), KeyUsage::SignVerify),
            (KeySpec::Pair(rsa), KeyUsage::EncryptDecrypt),
            (KeySpec::Pair(p256), KeyUsage::SignVerify),
            (KeySpec::Pair(p256), KeyUsage::KeyAgreement),
            (KeySpec::Hmac(MacAlgorithm::HmacSha256), KeyUsage::GenerateVerifyMac),
            (KeySpec::Pair(KeyPairSpec::MlKem768), KeyUsage::EncapsulateDecapsulate),
        ];
        for (operations, cells) in SUITS {
            for operation in operations.split_whitespace() {
                let action = Action::Call(operation.parse().unwrap());
                let mark = |(spec, usage)| if action.suits(spec, usage) { '+' } else { ' ' };
                assert_eq!(kinds.map(mark).iter().collect::<String>(), cells, "{operation}");
            }
        }
    }
}
