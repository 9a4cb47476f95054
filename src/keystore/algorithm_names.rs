//! A key's algorithms as the service lists them: a member for each usage, absent if empty.

use serde::Serialize;

use crate::spec::{
    Algorithms, EncapsulationAlgorithm, EncryptionAlgorithm, KeyAgreementAlgorithm, MacAlgorithm,
    SigningAlgorithm,
};

/// The members of `DescribeKey` and `GetPublicKey` that name algorithms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "the members are named like this")]
pub struct AlgorithmNames {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    encryption_algorithms: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signing_algorithms: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mac_algorithms: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    key_agreement_algorithms: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    encapsulation_algorithms: Vec<&'static str>,
}

impl From<Algorithms> for AlgorithmNames {
    fn from(algorithms: Algorithms) -> Self {
        let Algorithms { encryption, signing, mac, key_agreement, encapsulation } = algorithms;
        Self {
            encryption_algorithms: names(encryption, EncryptionAlgorithm::name),
            signing_algorithms: names(signing, SigningAlgorithm::name),
            mac_algorithms: names(mac, MacAlgorithm::name),
            key_agreement_algorithms: names(key_agreement, KeyAgreementAlgorithm::name),
            encapsulation_algorithms: names(encapsulation, EncapsulationAlgorithm::name),
        }
    }
}

fn names<T: Copy>(values: &[T], name: fn(T) -> &'static str) -> Vec<&'static str> {
    values.iter().map(|value| name(*value)).collect()
}
