//! `Quotas`: how many calls a second an account may make in one Region, class by class.
//!
//! A class is what the service counts together (KMS developer guide, "Request quotas"): data key
//! pairs of one spec; what works with symmetric keys; each operation that manages keys for itself.

use core::fmt;
use core::str::FromStr;

use super::forecast::ForecastError;
use crate::spec::{KeyPairSpec, Operation, Region};

/// Calls that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::kms) enum Class {
    /// Data key pairs of one spec, with and without plaintext.
    KeyPair(KeyPairSpec),
    /// What encrypts, opens or makes secrets under a symmetric key.
    Symmetric,
    /// An operation of its own.
    Operation(Operation),
}

impl Class {
    /// What calls of `operation` are counted as; for data key pairs the spec tells.
    pub(in crate::kms) const fn of(operation: Operation) -> Option<Self> {
        match operation {
            Operation::GenerateDataKeyPair | Operation::GenerateDataKeyPairWithoutPlaintext => None,
            Operation::Decrypt
            | Operation::Encrypt
            | Operation::GenerateDataKey
            | Operation::GenerateDataKeyWithoutPlaintext
            | Operation::GenerateMac
            | Operation::GenerateRandom
            | Operation::ReEncrypt
            | Operation::VerifyMac => Some(Self::Symmetric),
            other => Some(Self::Operation(other)),
        }
    }
}

impl FromStr for Class {
    type Err = ForecastError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let spec = text.parse().map(Self::KeyPair).ok();
        let operation = || text.parse().ok().and_then(Self::of);
        let class = if text == SYMMETRIC { Some(Self::Symmetric) } else { spec.or_else(operation) };
        class.ok_or_else(|| {
            let mend = format!(
                "quotas are counted by key pair spec, like RSA_2048, by operation, like CreateKey, \
                 or as {SYMMETRIC} for all that use a symmetric key"
            );
            ForecastError::new(text, mend)
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyPair(spec) => f.write_str(spec.name()),
            Self::Symmetric => f.write_str(SYMMETRIC),
            Self::Operation(operation) => f.write_str(operation.name()),
        }
    }
}

const SYMMETRIC: &str = "SYMMETRIC";

/// Whose default quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preset {
    Aws,
    AwsChina,
}

/// What an account may do in a second: `none`, `aws`, `aws-cn`, and `CLASS=RATE` to put other
/// numbers in their place, with commas between.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quotas {
    preset: Option<Preset>,
    own: Vec<(Class, f64)>,
}

impl Quotas {
    /// Calls of `class` a second in `region`, if they are limited.
    pub(super) fn rate(&self, class: Class, region: &Region) -> Option<f64> {
        let own = self.own.iter().find(|(other, _)| *other == class);
        own.map(|(_, rate)| *rate).or_else(|| default_rate(self.preset?, class, region))
    }
}

impl FromStr for Quotas {
    type Err = ForecastError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut quotas = Self::default();
        for (at, part) in text.split(',').map(str::trim).enumerate() {
            match (part, at) {
                ("none", 0) if text == "none" => {}
                ("aws", 0) => quotas.preset = Some(Preset::Aws),
                ("aws-cn", 0) => quotas.preset = Some(Preset::AwsChina),
                ("none" | "aws" | "aws-cn", _) => {
                    return Err(ForecastError::new(part, "stands first, or alone if it is none"));
                }
                _ => {
                    let (class, rate) = one(part)?;
                    if quotas.own.iter().any(|(other, _)| *other == class) {
                        return Err(ForecastError::new(part, "this quota is given twice"));
                    }
                    quotas.own.push((class, rate));
                }
            }
        }
        Ok(quotas)
    }
}

/// `RSA_2048=20`.
fn one(part: &str) -> Result<(Class, f64), ForecastError> {
    let Some((class, rate)) = part.split_once('=') else {
        let mend = "give none, aws, aws-cn, or calls a second, like RSA_2048=20";
        return Err(ForecastError::new(part, mend));
    };
    match rate.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok((class.parse()?, rate)),
        _ => {
            Err(ForecastError::new(part, "calls a second are a number above zero, like 20 or 0.5"))
        }
    }
}

impl fmt::Display for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preset = match self.preset {
            Some(Preset::Aws) => "aws",
            Some(Preset::AwsChina) => "aws-cn",
            None if self.own.is_empty() => "none",
            None => "",
        };
        f.write_str(preset)?;
        for (at, (class, rate)) in self.own.iter().enumerate() {
            let comma = if at > 0 || !preset.is_empty() { "," } else { "" };
            write!(f, "{comma}{class}={rate}")?;
        }
        Ok(())
    }
}

/// The service's defaults of 2026. That for ML-KEM is not published, and nothing limits it here.
fn default_rate(preset: Preset, class: Class, region: &Region) -> Option<f64> {
    match class {
        Class::KeyPair(spec) => key_pair_rate(preset, spec),
        Class::Symmetric => Some(symmetric_rate(region)),
        Class::Operation(operation) => management_rate(operation),
    }
}

fn key_pair_rate(preset: Preset, spec: KeyPairSpec) -> Option<f64> {
    let (elsewhere, in_china) = match spec {
        KeyPairSpec::EccNistP256
        | KeyPairSpec::EccNistP384
        | KeyPairSpec::EccNistP521
        | KeyPairSpec::EccSecgP256k1
        | KeyPairSpec::EccNistEdwards25519 => (100.0, 100.0),
        KeyPairSpec::Rsa2048 => (20.0, 1.0),
        KeyPairSpec::Rsa3072 => (4.0, 0.5),
        KeyPairSpec::Rsa4096 => (1.0, 0.1),
        KeyPairSpec::Sm2 => (25.0, 25.0),
        KeyPairSpec::MlKem512 | KeyPairSpec::MlKem768 | KeyPairSpec::MlKem1024 => return None,
    };
    Some(if preset == Preset::AwsChina { in_china } else { elsewhere })
}

fn symmetric_rate(region: &Region) -> f64 {
    match region.as_str() {
        "us-east-1" | "us-west-2" | "eu-west-1" => 100_000.0,
        "us-east-2" | "ap-southeast-1" | "ap-southeast-2" | "ap-northeast-1" | "eu-central-1"
        | "eu-west-2" => 20_000.0,
        _ => 10_000.0,
    }
}

fn management_rate(operation: Operation) -> Option<f64> {
    Some(match operation {
        Operation::GetParametersForImport => 1.0,
        Operation::CreateAlias
        | Operation::CreateKey
        | Operation::GetKeyLastUsage
        | Operation::RotateKeyOnDemand
        | Operation::UpdateAlias => 5.0,
        Operation::TagResource => 10.0,
        Operation::DeleteAlias
        | Operation::ImportKeyMaterial
        | Operation::PutKeyPolicy
        | Operation::ScheduleKeyDeletion => 15.0,
        Operation::CreateGrant | Operation::RetireGrant | Operation::RevokeGrant => 50.0,
        Operation::ListGrants | Operation::ListKeyRotations => 100.0,
        Operation::ListAliases | Operation::ListKeys => 500.0,
        Operation::GetKeyPolicy => 1000.0,
        Operation::DescribeKey | Operation::GetPublicKey => 2000.0,
        _ => return None,
    })
}
