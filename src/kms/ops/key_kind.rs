//! `KeySpec` and `KeyUsage` of a new key: which go together, and which of them are built here.

use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::Text;

const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
const ENCRYPT: &str = "ENCRYPT_DECRYPT";
const SIGN: &str = "SIGN_VERIFY";
const MAC: &str = "GENERATE_VERIFY_MAC";
const AGREE: &str = "KEY_AGREEMENT";
const ENCAPSULATE: &str = "ENCAPSULATE_DECAPSULATE";

/// `KeyUsageType` of the service model.
const USAGES: [&str; 5] = [SIGN, ENCRYPT, MAC, AGREE, ENCAPSULATE];

/// `KeySpec` of the service model.
const SPECS: [&str; 20] = [
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    SYMMETRIC,
    "HMAC_224",
    "HMAC_256",
    "HMAC_384",
    "HMAC_512",
    "SM2",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
];

/// The two members.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyKind {
    spec: &'static str,
    usage: Option<&'static str>,
}

impl KeyKind {
    /// Takes in the members.
    pub(super) fn of(check: &mut Check, spec: Option<&Text<'_>>, usage: Option<&Text<'_>>) -> Self {
        let usage = check.name_of("keyUsage", usage, &USAGES);
        let spec = check.name_of("keySpec", spec, &SPECS).unwrap_or(SYMMETRIC);
        Self { spec, usage }
    }

    /// Refuses what does not go together, and what is not built.
    pub(super) fn check(self) -> Result<(), Error> {
        let Self { spec, usage } = self;
        let usage = match usage {
            None if spec == SYMMETRIC => ENCRYPT,
            None => {
                return Err(Error::validation(
                    "You must specify a KeyUsage value for all KMS keys except for symmetric \
                     encryption keys.",
                ));
            }
            Some(usage) => usage,
        };
        if !usages_of(spec).contains(&usage) {
            let message = format!("KeyUsage {usage} is not compatible with KeySpec {spec}");
            return Err(Error::validation(message));
        }
        if spec == SYMMETRIC { Ok(()) } else { Err(guesses::key_spec_not_built(spec)) }
    }
}

/// What a key of `spec` can be for (KMS developer guide, "Key spec reference").
fn usages_of(spec: &str) -> &'static [&'static str] {
    match spec {
        SYMMETRIC => &[ENCRYPT],
        "RSA_2048" | "RSA_3072" | "RSA_4096" => &[ENCRYPT, SIGN],
        "ECC_NIST_P256" | "ECC_NIST_P384" | "ECC_NIST_P521" => &[SIGN, AGREE],
        "SM2" => &[ENCRYPT, SIGN, AGREE],
        "HMAC_224" | "HMAC_256" | "HMAC_384" | "HMAC_512" => &[MAC],
        "ML_KEM_512" | "ML_KEM_768" | "ML_KEM_1024" => &[ENCAPSULATE],
        _ => &[SIGN],
    }
}
