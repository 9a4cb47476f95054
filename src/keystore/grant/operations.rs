//! The operations that a grant can give (`GrantOperation` of the KMS service model).

use crate::spec::{Action, Operation};

/// Every operation that a grant can give.
pub const GRANT_OPERATIONS: [Action; 19] = {
    use Operation as O;
    [
        Action::Call(O::Decrypt),
        Action::Call(O::Encrypt),
        Action::Call(O::GenerateDataKey),
        Action::Call(O::GenerateDataKeyWithoutPlaintext),
        Action::ReEncryptFrom,
        Action::ReEncryptTo,
        Action::Call(O::Sign),
        Action::Call(O::Verify),
        Action::Call(O::GetPublicKey),
        Action::Call(O::CreateGrant),
        Action::Call(O::RetireGrant),
        Action::Call(O::DescribeKey),
        Action::Call(O::GenerateDataKeyPair),
        Action::Call(O::GenerateDataKeyPairWithoutPlaintext),
        Action::Call(O::GenerateMac),
        Action::Call(O::VerifyMac),
        Action::Call(O::DeriveSharedSecret),
        Action::Call(O::Encapsulate),
        Action::Call(O::Decapsulate),
    ]
};

/// The operation of this name, if a grant can give it.
#[must_use]
pub fn grant_operation(name: &str) -> Option<Action> {
    GRANT_OPERATIONS.into_iter().find(|action| action.name() == name)
}

/// Sets of operations as lists of their names.
pub(super) mod serde {
    use std::collections::BTreeSet;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::grant_operation;
    use crate::spec::Action;

    pub(in super::super) fn serialize<S: Serializer>(
        operations: &BTreeSet<Action>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_seq(operations.iter().map(|action| action.name()))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<BTreeSet<Action>, D::Error> {
        let read = |name: String| {
            let what = format!("'{name}' is no operation of a grant");
            grant_operation(&name).ok_or_else(|| D::Error::custom(what))
        };
        Vec::<String>::deserialize(input)?.into_iter().map(read).collect()
    }
}
