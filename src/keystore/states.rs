//! What a key in each state answers to each operation: the one table.
//!
//! It is the table "Key states of AWS KMS keys" of the KMS developer guide, row by row. Where an
//! operation is for keys of one origin only, that is asked first: a key of another origin refuses in
//! every state alike.

use super::error::Error;
use super::key::{KeyState, KmsKey, Origin};
use crate::spec::{Action, KeyUsage, Operation};

use KeyState::{
    Creating, Disabled, Enabled, PendingDeletion, PendingImport, PendingReplicaDeletion,
    Unavailable, Updating,
};

impl KmsKey {
    /// Whether `operation` may be applied to the key as it is now.
    pub fn check(&self, operation: Operation) -> Result<(), Error> {
        if origin_of(operation).is_some_and(|origin| origin != self.origin) {
            return Err(Error::OriginUnsupported(self.arn.clone(), self.origin));
        }
        if is_allowed(operation, self.state) { Ok(()) } else { Err(self.refusal(operation)) }
    }

    /// Whether `operation` may use the key's material now: by its state, and by its kind.
    pub fn check_use(&self, operation: Operation) -> Result<(), Error> {
        self.check(operation)?;
        let action = Action::Call(operation);
        match KeyUsage::wanted_for(operation) {
            Some(usage) if usage != self.usage => {
                Err(Error::KeyUsage(self.arn.clone(), self.usage, operation))
            }
            _ if action.suits(self.spec, self.usage) => Ok(()),
            _ => Err(Error::KeySpec(self.arn.clone(), self.spec, operation)),
        }
    }

    /// Whether data keys may be wrapped and unwrapped under the key now.
    pub(super) fn check_usable(&self) -> Result<(), Error> {
        self.check_use(Operation::GenerateDataKeyPairWithoutPlaintext)
    }

    fn refusal(&self, operation: Operation) -> Error {
        let arn = self.arn.clone();
        if operation == Operation::CancelKeyDeletion {
            return Error::NotPendingDeletion(arn);
        }
        match self.state {
            Disabled => Error::Disabled(arn),
            PendingDeletion | PendingReplicaDeletion => Error::PendingDeletion(arn),
            PendingImport => Error::PendingImport(arn),
            Enabled | Unavailable | Creating | Updating => Error::InvalidState(arn, self.state),
        }
    }
}

/// The only origin that `operation` is for, if there is one.
const fn origin_of(operation: Operation) -> Option<Origin> {
    match operation {
        Operation::EnableKeyRotation
        | Operation::DisableKeyRotation
        | Operation::GetKeyRotationStatus => Some(Origin::AwsKms),
        Operation::GetParametersForImport
        | Operation::ImportKeyMaterial
        | Operation::DeleteImportedKeyMaterial => Some(Origin::External),
        _ => None,
    }
}

/// The table.
const fn is_allowed(operation: Operation, state: KeyState) -> bool {
    match operation {
        Operation::DescribeKey
        | Operation::GetKeyPolicy
        | Operation::PutKeyPolicy
        | Operation::GetKeyLastUsage
        | Operation::ListAliases
        | Operation::ListGrants
        | Operation::ListKeyPolicies
        | Operation::ListKeyRotations
        | Operation::ListResourceTags
        | Operation::RetireGrant
        | Operation::RevokeGrant
        | Operation::DeleteAlias
        | Operation::GetKeyRotationStatus => true,
        Operation::CreateAlias
        | Operation::UpdateAlias
        | Operation::UpdateKeyDescription
        | Operation::TagResource
        | Operation::UntagResource => !matches!(state, PendingDeletion | PendingReplicaDeletion),
        Operation::EnableKey | Operation::DisableKey => {
            matches!(state, Enabled | Disabled | Unavailable)
        }
        Operation::ScheduleKeyDeletion => {
            matches!(state, Enabled | Disabled | PendingImport | Unavailable)
        }
        Operation::CancelKeyDeletion => matches!(state, PendingDeletion | PendingReplicaDeletion),
        Operation::EnableKeyRotation | Operation::DisableKeyRotation => {
            matches!(state, Enabled | Updating)
        }
        Operation::CreateGrant => matches!(state, Enabled | Unavailable | Updating),
        Operation::GetParametersForImport => matches!(state, Enabled | Disabled | PendingImport),
        Operation::ImportKeyMaterial => {
            matches!(state, Enabled | Disabled | PendingImport | Updating)
        }
        Operation::DeleteImportedKeyMaterial => !matches!(state, Creating | Updating),
        Operation::ReplicateKey | Operation::UpdatePrimaryRegion => matches!(state, Enabled),
        // What uses the material.
        _ => matches!(state, Enabled | Updating),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns: Enabled, Disabled, `PendingDeletion`, `PendingReplicaDeletion`,
    /// `PendingImport`, `Unavailable`, `Creating`, `Updating`; for keys whose origin the operation
    /// takes. `+` works; else the state that the refusal names: `d`isabled, pending de`l`etion,
    /// pending `i`mport, `u`navailable, `c`reating, u`p`dating, or `n`ot pending deletion.
    const TABLE: [(&str, &str); 15] = [
        (
            "GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKey \
             GenerateDataKeyWithoutPlaintext Encrypt Decrypt ReEncrypt GenerateMac VerifyMac Sign \
             Verify GetPublicKey DeriveSharedSecret Encapsulate Decapsulate RotateKeyOnDemand",
            "+dlliuc+",
        ),
        (
            "DescribeKey GetKeyPolicy PutKeyPolicy ListAliases ListGrants ListKeyPolicies \
             ListResourceTags RetireGrant RevokeGrant DeleteAlias ListKeyRotations",
            "++++++++",
        ),
        ("CreateAlias UpdateKeyDescription TagResource UntagResource", "++ll++++"),
        ("UpdateAlias", "++ll++++"),
        ("CreateGrant", "+dlli+c+"),
        ("EnableKey DisableKey", "++lli+cp"),
        ("ScheduleKeyDeletion", "++ll++cp"),
        ("CancelKeyDeletion", "nn++nnnn"),
        ("EnableKeyRotation DisableKeyRotation", "+dlliuc+"),
        ("GetKeyRotationStatus", "++++++++"),
        ("GetParametersForImport", "++ll+ucp"),
        ("ImportKeyMaterial", "++ll+uc+"),
        ("DeleteImportedKeyMaterial", "++++++cp"),
        ("ReplicateKey", "+dlliucp"),
        ("UpdatePrimaryRegion", "+dlliucp"),
    ];

    const STATES: [KeyState; 8] = [
        Enabled,
        Disabled,
        PendingDeletion,
        PendingReplicaDeletion,
        PendingImport,
        Unavailable,
        Creating,
        Updating,
    ];

    fn letter(outcome: Result<(), Error>, arn: &str) -> char {
        let Err(error) = outcome else { return '+' };
        let text = error.to_string();
        let name = error.aws_name().unwrap();
        match (name, text.strip_prefix(arn).unwrap()) {
            ("DisabledException", " is disabled.") => 'd',
            ("KMSInvalidStateException", " is pending deletion.") => 'l',
            ("KMSInvalidStateException", " is not pending deletion.") => 'n',
            ("KMSInvalidStateException", " is pending import.") => 'i',
            ("KMSInvalidStateException", " is unavailable.") => 'u',
            ("KMSInvalidStateException", " is creating.") => 'c',
            ("KMSInvalidStateException", " is updating.") => 'p',
            ("UnsupportedOperationException", _) => 'o',
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_cell_is_the_one_of_the_developer_guide() {
        for (operations, cells) in TABLE {
            for operation in operations.split_whitespace() {
                let operation: Operation = operation.parse().unwrap();
                let wanted = origin_of(operation);
                for origin in [Origin::AwsKms, Origin::External] {
                    let answers = STATES.map(|state| {
                        let key = KmsKey::sample(state, origin);
                        letter(key.check(operation), &key.arn.to_string())
                    });
                    let answers: String = answers.iter().collect();
                    let is_taken = wanted.is_none_or(|wanted| wanted == origin);
                    let expected = if is_taken { cells } else { "oooooooo" };
                    assert_eq!(answers, expected, "{operation}, {origin}");
                }
            }
        }
    }
}
