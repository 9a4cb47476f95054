//! A key's algorithms as the service lists them: a member for each usage, absent if empty.

use serde::Serialize;

use crate::spec::{
    Algorithms, EncapsulationAlgorithm, EncryptionAlgorithm, KeyAgreementAlgorithm, MacAlgorithm,
    SigningAlgorithm,
};

/// The members of `DescribeKey` and `GetPublicKey` that name algorithms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlgorithmNames {
    #[serde(rename = "EncryptionAlgorithms", skip_serializing_if = "Vec::is_empty")]
    encryption: Vec<&'static str>,
    #[serde(rename = "SigningAlgorithms", skip_serializing_if = "Vec::is_empty")]
    signing: Vec<&'static str>,
    #[serde(rename = "MacAlgorithms", skip_serializing_if = "Vec::is_empty")]
    mac: Vec<&'static str>,
    #[serde(rename = "KeyAgreementAlgorithms", skip_serializing_if = "Vec::is_empty")]
    key_agreement: Vec<&'static str>,
    #[serde(rename = "EncapsulationAlgorithms", skip_serializing_if = "Vec::is_empty")]
    encapsulation: Vec<&'static str>,
}

impl From<Algorithms> for AlgorithmNames {
    fn from(algorithms: Algorithms) -> Self {
        let Algorithms { encryption, signing, mac, key_agreement, encapsulation } = algorithms;
        Self {
            encryption: names(encryption, EncryptionAlgorithm::name),
            signing: names(signing, SigningAlgorithm::name),
            mac: names(mac, MacAlgorithm::name),
            key_agreement: names(key_agreement, KeyAgreementAlgorithm::name),
            encapsulation: names(encapsulation, EncapsulationAlgorithm::name),
        }
    }
}

fn names<T: Copy>(values: &[T], name: fn(T) -> &'static str) -> Vec<&'static str> {
    values.iter().map(|value| name(*value)).collect()
}
