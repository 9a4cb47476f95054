//! `KeyPairSpec`: the twelve kinds of data key pair, with their encoded sizes.

use core::fmt;
use core::str::FromStr;

use super::Partition;

/// A kind of data key pair, named as `DataKeyPairSpec` in the KMS service model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPairSpec {
    /// RSA, 2048-bit modulus, e = 65537.
    Rsa2048,
    /// RSA, 3072-bit modulus, e = 65537.
    Rsa3072,
    /// RSA, 4096-bit modulus, e = 65537.
    Rsa4096,
    /// NIST P-256 (secp256r1).
    EccNistP256,
    /// NIST P-384 (secp384r1).
    EccNistP384,
    /// NIST P-521 (secp521r1).
    EccNistP521,
    /// secp256k1.
    EccSecgP256k1,
    /// SM2 (GB/T 32918), offered in the China Regions only.
    Sm2,
    /// Ed25519 (RFC 8032).
    EccNistEdwards25519,
    /// ML-KEM-512 (FIPS 203), not offered in the China Regions.
    MlKem512,
    /// ML-KEM-768 (FIPS 203), not offered in the China Regions.
    MlKem768,
    /// ML-KEM-1024 (FIPS 203), not offered in the China Regions.
    MlKem1024,
}

use KeyPairSpec::{
    EccNistEdwards25519, EccNistP256, EccNistP384, EccNistP521, EccSecgP256k1, MlKem512, MlKem768,
    MlKem1024, Rsa2048, Rsa3072, Rsa4096, Sm2,
};

impl KeyPairSpec {
    /// Every spec, in the order of the service model.
    pub const ALL: [Self; 12] = [
        Rsa2048,
        Rsa3072,
        Rsa4096,
        EccNistP256,
        EccNistP384,
        EccNistP521,
        EccSecgP256k1,
        Sm2,
        EccNistEdwards25519,
        MlKem512,
        MlKem768,
        MlKem1024,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Rsa2048 => "RSA_2048",
            Rsa3072 => "RSA_3072",
            Rsa4096 => "RSA_4096",
            EccNistP256 => "ECC_NIST_P256",
            EccNistP384 => "ECC_NIST_P384",
            EccNistP521 => "ECC_NIST_P521",
            EccSecgP256k1 => "ECC_SECG_P256K1",
            Sm2 => "SM2",
            EccNistEdwards25519 => "ECC_NIST_EDWARDS25519",
            MlKem512 => "ML_KEM_512",
            MlKem768 => "ML_KEM_768",
            MlKem1024 => "ML_KEM_1024",
        }
    }

    /// The number that stands for the spec in a ciphertext blob; never reused, never zero.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Rsa2048 => 1,
            Rsa3072 => 2,
            Rsa4096 => 3,
            EccNistP256 => 4,
            EccNistP384 => 5,
            EccNistP521 => 6,
            EccSecgP256k1 => 7,
            Sm2 => 8,
            EccNistEdwards25519 => 9,
            MlKem512 => 10,
            MlKem768 => 11,
            MlKem1024 => 12,
        }
    }

    /// The spec a blob's number stands for.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|spec| spec.code() == code)
    }

    /// Modulus size of the RSA specs, in bits.
    #[must_use]
    pub const fn rsa_bits(self) -> Option<usize> {
        match self {
            Rsa2048 => Some(2048),
            Rsa3072 => Some(3072),
            Rsa4096 => Some(4096),
            _ => None,
        }
    }

    /// Length of the DER `SubjectPublicKeyInfo`, in bytes: one for every key of the spec.
    #[must_use]
    pub const fn public_key_bytes(self) -> usize {
        match self {
            Rsa2048 => 294,
            Rsa3072 => 422,
            Rsa4096 => 550,
            EccNistP256 | Sm2 => 91,
            EccNistP384 => 120,
            EccNistP521 => 158,
            EccSecgP256k1 => 88,
            EccNistEdwards25519 => 44,
            MlKem512 => 822,
            MlKem768 => 1206,
            MlKem1024 => 1590,
        }
    }

    /// Longest DER PKCS#8 `PrivateKeyInfo` of the spec, in bytes.
    ///
    /// Only RSA keys vary below it: a DER INTEGER is as long as its value needs. The RSA bound
    /// takes every integer at full length with a sign byte.
    #[must_use]
    pub const fn private_key_bytes_max(self) -> usize {
        match self {
            Rsa2048 => 1220,
            Rsa3072 => 1796,
            Rsa4096 => 2377,
            EccNistP256 | Sm2 => 138,
            EccNistP384 => 185,
            EccNistP521 => 241,
            EccSecgP256k1 => 135,
            EccNistEdwards25519 => 48,
            MlKem512 | MlKem768 | MlKem1024 => 86,
        }
    }

    /// Whether every private key of the spec has the same encoded length.
    #[must_use]
    pub const fn private_key_is_fixed_size(self) -> bool {
        self.rsa_bits().is_none()
    }

    /// Whether the service offers the spec in `partition`: SM2 is China's, ML-KEM the others'.
    #[must_use]
    pub fn offered_in(self, partition: Partition) -> bool {
        match self {
            Sm2 => partition == Partition::AwsCn,
            MlKem512 | MlKem768 | MlKem1024 => partition != Partition::AwsCn,
            _ => true,
        }
    }
}

impl fmt::Display for KeyPairSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names none of the twelve specs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKeyPairSpec;

impl fmt::Display for UnknownKeyPairSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown key pair spec; one of ")?;
        for (position, spec) in KeyPairSpec::ALL.into_iter().enumerate() {
            write!(f, "{}{spec}", if position == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownKeyPairSpec {}

impl FromStr for KeyPairSpec {
    type Err = UnknownKeyPairSpec;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|spec| spec.name() == text).ok_or(UnknownKeyPairSpec)
    }
}
