//! `Operation`: what can be asked of the service, by its names in the KMS service model
//! (version 2014-11-01).

use core::fmt;
use core::str::FromStr;

/// Declares the operations and everything that follows from their names.
macro_rules! operations {
    ($($name:ident),+ $(,)?) => {
        /// An operation of the KMS API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is the operation of its name in the KMS API reference")]
        pub enum Operation { $($name),+ }

        impl Operation {
            /// Every operation, by name.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name on the wire; `kms:` before it makes the name of the permission.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }

        impl FromStr for Operation {
            type Err = UnknownOperation;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $(stringify!($name) => Ok(Self::$name),)+
                    _ => Err(UnknownOperation),
                }
            }
        }
    };
}

operations! {
    CancelKeyDeletion,
    ConnectCustomKeyStore,
    CreateAlias,
    CreateCustomKeyStore,
    CreateGrant,
    CreateKey,
    Decapsulate,
    Decrypt,
    DeleteAlias,
    DeleteCustomKeyStore,
    DeleteImportedKeyMaterial,
    DeriveSharedSecret,
    DescribeCustomKeyStores,
    DescribeKey,
    DisableKey,
    DisableKeyRotation,
    DisconnectCustomKeyStore,
    EnableKey,
    EnableKeyRotation,
    Encapsulate,
    Encrypt,
    GenerateDataKey,
    GenerateDataKeyPair,
    GenerateDataKeyPairWithoutPlaintext,
    GenerateDataKeyWithoutPlaintext,
    GenerateMac,
    GenerateRandom,
    GetKeyLastUsage,
    GetKeyPolicy,
    GetKeyRotationStatus,
    GetParametersForImport,
    GetPublicKey,
    ImportKeyMaterial,
    ListAliases,
    ListGrants,
    ListKeyPolicies,
    ListKeyRotations,
    ListKeys,
    ListResourceTags,
    ListRetirableGrants,
    PutKeyPolicy,
    ReEncrypt,
    ReplicateKey,
    RetireGrant,
    RevokeGrant,
    RotateKeyOnDemand,
    ScheduleKeyDeletion,
    Sign,
    TagResource,
    UntagResource,
    UpdateAlias,
    UpdateCustomKeyStore,
    UpdateKeyDescription,
    UpdatePrimaryRegion,
    Verify,
    VerifyMac,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a policy or a grant allows: an operation, or one half of `ReEncrypt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The operation of this name.
    Call(Operation),
    /// Opening what is sealed again under another key.
    ReEncryptFrom,
    /// Sealing again what was opened under another key.
    ReEncryptTo,
}

impl Action {
    /// The name; `kms:` before it makes the name of the permission.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call(operation) => operation.name(),
            Self::ReEncryptFrom => "ReEncryptFrom",
            Self::ReEncryptTo => "ReEncryptTo",
        }
    }

    /// The operation that asks for it.
    #[must_use]
    pub const fn operation(self) -> Operation {
        match self {
            Self::Call(operation) => operation,
            Self::ReEncryptFrom | Self::ReEncryptTo => Operation::ReEncrypt,
        }
    }

    /// Whether it can be done with a key of another account (KMS API reference, "Cross-account
    /// use" of each operation).
    #[must_use]
    pub const fn reaches_other_accounts(self) -> bool {
        use Operation as O;
        match self {
            Self::ReEncryptFrom | Self::ReEncryptTo => true,
            Self::Call(operation) => matches!(
                operation,
                O::CreateGrant
                    | O::Decapsulate
                    | O::Decrypt
                    | O::DeriveSharedSecret
                    | O::DescribeKey
                    | O::Encapsulate
                    | O::Encrypt
                    | O::GenerateDataKey
                    | O::GenerateDataKeyPair
                    | O::GenerateDataKeyPairWithoutPlaintext
                    | O::GenerateDataKeyWithoutPlaintext
                    | O::GenerateMac
                    | O::GetKeyRotationStatus
                    | O::GetPublicKey
                    | O::ListGrants
                    | O::ListRetirableGrants
                    | O::ReEncrypt
                    | O::RetireGrant
                    | O::RevokeGrant
                    | O::Sign
                    | O::Verify
                    | O::VerifyMac
            ),
        }
    }
}

impl From<Operation> for Action {
    fn from(operation: Operation) -> Self {
        Self::Call(operation)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownOperation;

impl fmt::Display for UnknownOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an operation of KMS")
    }
}

impl core::error::Error for UnknownOperation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_has_56_operations_in_order_of_their_names() {
        assert_eq!(Operation::ALL.len(), 56);
        assert!(Operation::ALL.is_sorted_by_key(|operation| operation.name().to_lowercase()));
        for operation in Operation::ALL {
            assert_eq!(operation.name().parse(), Ok(*operation));
        }
    }
}
