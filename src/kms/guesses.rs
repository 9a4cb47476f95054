//! Everything the endpoint answers that AWS neither documents nor was seen to answer.
//!
//! Each is the likeliest answer at the time of writing; where a recording of the real service shows
//! another one, this is the place to change.

use super::error::Error;
use crate::keystore;
use crate::keystore::{GrantFault, ImportFault, MultiRegionFault};
use crate::limits::{
    ALIASES_PER_KEY_MAX, GRANT_CONSTRAINT_CHARS_MAX, GRANT_CONSTRAINT_PAIRS_MAX,
    GRANTS_PER_KEY_MAX, POLICY_BYTES_MAX,
};
use crate::spec::{KeyArn, KeySpec, ResourceId, SigningAlgorithm};

/// The trigger and the only text of a context that KMS does not take: an empty key or value, a key
/// given twice, more than our limits allow. The text was seen, its trigger was not.
pub(super) const INVALID_CONTEXT: &str = "Invalid EncryptionContext";

/// Headers that the real service is remembered to send with every answer.
pub(super) const NO_STORE: &str = "no-cache, no-store, must-revalidate, private";

/// A body that is no JSON object, or has a member of the wrong type, gets no message.
pub(super) const fn serialization() -> Error {
    Error::bare("SerializationException")
}

/// A body over the limit: KMS documents no limit and no error.
pub(super) const fn body_too_large() -> Error {
    Error::bare("RequestEntityTooLargeException")
}

/// No key pair came in time: KMS documents the exception for a dependency that is slow.
pub(super) fn no_pair_in_time() -> Error {
    let message = "The system timed out while trying to fulfill the request. You can retry the \
                   request.";
    Error::new("DependencyTimeoutException", message)
}

/// `GenerateDataKey` with both or none of `KeySpec` and `NumberOfBytes`; the text is one of moto's.
pub(super) fn number_or_spec() -> Error {
    Error::validation("Please specify either number of bytes or key spec.")
}

/// `Recipient` asks for an answer encrypted to a Nitro enclave, which is not built here.
pub(super) fn recipient() -> Error {
    Error::new("UnsupportedOperationException", "Recipient is not supported by this endpoint.")
}

/// `GenerateRandom` from a custom key store: there is none here.
pub(super) fn no_custom_key_store(id: &str) -> Error {
    let message = format!("Custom key store {id} does not exist");
    Error::new("CustomKeyStoreNotFoundException", message)
}

/// A marker that no page ended with. The exception is documented, its text is not.
pub(super) const fn invalid_marker() -> Error {
    Error::bare("InvalidMarkerException")
}

/// A grant token that names no grant. The exception is documented, its text is not; it is answered
/// before permission is looked at, whether or not the grant is needed.
pub(super) const fn invalid_grant_token() -> Error {
    Error::bare("InvalidGrantTokenException")
}

/// A grant id of another form than grant ids have.
pub(super) const fn invalid_grant_id() -> Error {
    Error::bare("InvalidGrantIdException")
}

/// A grant to an AWS service, or for a resource of one: there is none here that could call.
pub(super) fn service_principal() -> Error {
    let message = "Grants to service principals are not supported by this endpoint.";
    Error::new("UnsupportedOperationException", message)
}

/// `RetireGrant` without a token, and without a key and a grant of it.
pub(super) fn no_grant_named() -> Error {
    Error::validation("Please specify either a grant token or a key ID and grant ID.")
}

/// A policy of another name than `default`; the text is one of moto's.
pub(super) fn no_such_policy() -> Error {
    Error::new("NotFoundException", "No such policy exists")
}

/// A management operation on an alias: documented to take a key id or key ARN only.
pub(super) fn alias_refused(key_id: &str) -> Error {
    Error::new("NotFoundException", format!("Invalid keyId '{key_id}'"))
}

/// How the calls about rotation name the key in their answers: by its id, as the examples of the API
/// reference do, where most others answer the ARN.
pub(super) const fn id_in_rotations(arn: &KeyArn) -> ResourceId {
    arn.id
}

/// What begins like an ARN and is none, in an operation that declares the exception; the others
/// answer as for any key id that is none.
pub(super) fn invalid_arn(text: &str) -> Error {
    Error::new("InvalidArnException", format!("Invalid arn {text}"))
}

/// An asymmetric or HMAC key of origin `EXTERNAL`, which is not built here: the operation declares
/// the exception.
pub(super) fn import_not_built(spec: KeySpec) -> Error {
    let message = format!("Origin EXTERNAL is not supported for {spec} by this endpoint.");
    Error::new("UnsupportedOperationException", message)
}

/// An encryption context for an asymmetric key: documented as not allowed, without a text.
pub(super) fn context_of_asymmetric_key() -> Error {
    Error::validation("EncryptionContext is not supported with asymmetric encryption algorithms.")
}

/// A `MessageType` that the algorithm has no use for: `DIGEST` of Ed25519, `RAW` of Ed25519ph,
/// `EXTERNAL_MU` of all but ML-DSA, which has no `DIGEST`.
pub(super) fn message_type_of_other_algorithms(kind: &str, algorithm: SigningAlgorithm) -> Error {
    let message = format!("MessageType {kind} is incompatible with algorithm {algorithm}.");
    Error::validation(message)
}

/// Keys of custom key stores, which are not built here.
pub(super) fn origin_not_built(origin: &str) -> Error {
    let message = format!("Origin {origin} is not supported by this endpoint.");
    Error::new("UnsupportedOperationException", message)
}

/// A way of wrapping imported material that is not built here, or that KMS no longer takes
/// (`RSAES_PKCS1_V1_5`).
pub(super) fn wrapping_not_built(member: &str, value: &str) -> Error {
    let message = format!("{member} {value} is not supported by this endpoint.");
    Error::new("UnsupportedOperationException", message)
}

/// Imported material that expires without a date; the text is one of `LocalStack`'s.
pub(super) fn valid_to_missing() -> Error {
    let message = "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES";
    Error::validation(message)
}

/// Imported material that does not expire, with a date.
pub(super) fn valid_to_unwanted() -> Error {
    let message =
        "A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE";
    Error::validation(message)
}

/// Imported material that expires in the past, or later than in 365 days.
pub(super) fn valid_to_range() -> Error {
    Error::validation("The validTo date must be in the future, and within 365 days.")
}

/// New material whose id is given: that this may not be is documented.
pub(super) fn id_of_new_material() -> Error {
    Error::validation("KeyMaterialId cannot be specified if ImportType is NEW_KEY_MATERIAL")
}

/// Imported material of another length than the key's 32 bytes.
pub(super) const fn material_length() -> Error {
    Error::bare("IncorrectKeyMaterialException")
}

/// SM2 outside of China, ML-KEM inside: that it is refused is documented, the text is not.
pub(super) fn spec_not_offered(member: &str, spec: &str) -> Error {
    let message = format!("{member} {spec} is not supported in this region.");
    Error::new("UnsupportedOperationException", message)
}

/// A signature that covers too little: the host and the operation must be signed.
pub(super) fn unsigned_header(name: &str) -> Error {
    let message = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
    Error::new("InvalidSignatureException", message)
}

/// A list of signed headers with one of them twice: a long header, named many times, would make a
/// canonical request of any length.
pub(super) fn repeated_header(name: &str) -> Error {
    let message = format!("'{name}' is repeated in 'SignedHeaders' of Authorization header.");
    Error::new("InvalidSignatureException", message)
}

/// The date in the credential scope is another than the one of the request.
pub(super) fn scope_date(scope: &str, date: &str) -> Error {
    let day = date.get(..8).unwrap_or(date);
    let message = format!(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
         '{scope}' != '{day}', from '{date}'."
    );
    Error::new("InvalidSignatureException", message)
}

/// The credential scope ends in another word than `aws4_request`.
pub(super) fn scope_end(end: &str) -> Error {
    let message = format!(
        "Credential should be scoped with a valid terminator: 'aws4_request', not '{end}'."
    );
    Error::new("InvalidSignatureException", message)
}

/// The `Credential` is no access key id and scope.
pub(super) fn credential_form(credential: &str) -> Error {
    let message = format!(
        "Credential must have exactly 5 slash-delimited elements, e.g. \
         keyid/date/region/service/term, got '{credential}'"
    );
    Error::new("IncompleteSignatureException", message)
}

/// A date header that is no date.
pub(super) fn date_form(date: &str) -> Error {
    let message = format!(
        "Date must be in ISO-8601 'basic format'. Got '{date}'. \
         See http://en.wikipedia.org/wiki/ISO_8601"
    );
    Error::new("IncompleteSignatureException", message)
}

/// An `Authorization` header of another scheme than Signature Version 4.
pub(super) fn other_scheme() -> Error {
    Error::new("MissingAuthenticationTokenException", "Missing Authentication Token")
}

/// An exception on demand. Its text is the service's where that is known and depends on nothing.
pub(super) fn injected(exception: &'static str) -> Error {
    match exception {
        "ThrottlingException" => Error::throttled(),
        "DryRunOperationException" => Error::dry_run(),
        "KMSInternalException" => Error::internal(),
        _ => Error::bare(exception),
    }
}

/// What the keystore refuses without that the service's words for it are known: its exception, and
/// what is answered. None where the words are recorded, documented or those of the service's generic
/// validator, and where the fault is not the caller's. Whatever is added to the keystore's errors must
/// be put to one side or the other here.
pub(super) fn of_keystore(error: &keystore::Error) -> Option<Error> {
    use keystore::Error as Refused;
    let text = match error {
        Refused::AliasNotFound(..)
        | Refused::AliasExists(..)
        | Refused::AliasReserved(_)
        | Refused::AliasToAlias
        | Refused::AliasTargetElsewhere(_)
        | Refused::AliasLimit(_) => return of_alias(error),
        // An RSA key that wraps: local-kms answers so. That it is refused at all is documented.
        Refused::KeySpec(arn, spec, operation) => {
            format!("{arn} key KeySpec is {spec} which is not valid for {operation}.")
        }
        Refused::Policy(error) => error.to_string(),
        Refused::PolicyLength => format!("The key policy has more than {POLICY_BYTES_MAX} bytes."),
        Refused::Grant(fault) => return of_grant(error, fault),
        Refused::GrantOperation(arn, action) => {
            format!("{action} is not an operation of {arn} that a grant can allow")
        }
        Refused::GrantLimit(arn) => {
            format!("{arn} has {GRANTS_PER_KEY_MAX} grants, the most a key may have")
        }
        Refused::GrantNotFound(id) => format!("Grant ID {id} not found"),
        Refused::Import(fault) => return of_import(error, fault),
        Refused::MultiRegion(fault) => return of_multi_region(error, fault),
        // Known; and, from the damaged secret on, of the files, the machine and the operator, for which
        // the answer is a KMSInternalException without a text.
        Refused::KeyIdMalformed(_)
        | Refused::KeyIdLength { .. }
        | Refused::KeyNotFound(_)
        | Refused::ArnElsewhere(_)
        | Refused::Disabled(_)
        | Refused::PendingDeletion(_)
        | Refused::NotPendingDeletion(_)
        | Refused::PendingImport(_)
        | Refused::InvalidState(..)
        | Refused::OriginUnsupported(..)
        | Refused::KeyUsage(..)
        | Refused::RotationUnsupported
        | Refused::RotationLimit(_)
        | Refused::Tag(_)
        | Refused::DeletionWindow(_)
        | Refused::DescriptionLength
        | Refused::AliasPrefix
        | Refused::AliasNameInvalid(_)
        | Refused::SecretDamaged(_)
        | Refused::MaterialNotFound(..)
        | Refused::Principal(_)
        | Refused::PoolUnknown(_)
        | Refused::PartitionMismatch(..)
        | Refused::Busy(_)
        | Refused::Exists(_)
        | Refused::Missing(_)
        | Refused::Damaged(..)
        | Refused::Newer { .. }
        | Refused::RootKeyMissing(_)
        | Refused::RootKeyDamaged(_)
        | Refused::WrongRootKey(_)
        | Refused::WrongPassphrase
        | Refused::PassphraseNeeded(_)
        | Refused::PassphraseUnused(_)
        | Refused::PassphraseEmpty
        | Refused::PassphraseUnread(_)
        | Refused::Resources(_)
        | Refused::Replaced(_)
        | Refused::Io { .. } => return None,
    };
    error.aws_name().map(|name| Error::new(name, text))
}

/// Aliases: the exceptions are documented.
fn of_alias(error: &keystore::Error) -> Option<Error> {
    use keystore::Error as Refused;
    let text = match error {
        // LocalStack and local-kms agree on it.
        Refused::AliasNotFound(scope, name) => format!("Alias {scope}:{name} is not found."),
        Refused::AliasExists(scope, name) => {
            format!("An alias with the name {scope}:{name} already exists")
        }
        Refused::AliasReserved(name) => {
            format!("{name} is not valid: names under alias/aws/ are reserved")
        }
        Refused::AliasToAlias => "Aliases must refer to keys. Not aliases".to_owned(),
        Refused::AliasTargetElsewhere(arn) => {
            format!("{arn} is in another account: an alias and its key share one")
        }
        Refused::AliasLimit(arn) => {
            format!("{arn} has {ALIASES_PER_KEY_MAX} aliases, the most a key may have")
        }
        _ => return None,
    };
    error.aws_name().map(|name| Error::new(name, text))
}

/// Terms of a grant. The exception for a principal is documented, the others are not.
fn of_grant(error: &keystore::Error, fault: &GrantFault) -> Option<Error> {
    let text = match fault {
        GrantFault::Principal(arn) => format!("ARN does not refer to a valid principal: {arn}"),
        GrantFault::Operation(action) => {
            format!("{action} is not an operation that a grant can allow")
        }
        GrantFault::Constraint => format!(
            "A grant constraint has 1 to {GRANT_CONSTRAINT_PAIRS_MAX} pairs with at most \
             {GRANT_CONSTRAINT_CHARS_MAX} characters"
        ),
        // The generic validator's.
        GrantFault::NoOperation => return None,
    };
    error.aws_name().map(|name| Error::new(name, text))
}

/// Imports: the exceptions are documented, no text is.
fn of_import(error: &keystore::Error, fault: &ImportFault) -> Option<Error> {
    let name = error.aws_name()?;
    Some(match fault {
        ImportFault::Token | ImportFault::TokenExpired => Error::bare(name),
        ImportFault::IncorrectMaterial(arn) => {
            let text = format!("The key material is not the one previously imported into {arn}.");
            Error::new(name, text)
        }
        ImportFault::MaterialUnknown(arn, id) => {
            Error::new(name, format!("{arn} has no key material {id}."))
        }
    })
}

/// Multi-Region keys: the exceptions are documented.
fn of_multi_region(error: &keystore::Error, fault: &MultiRegionFault) -> Option<Error> {
    let text = match fault {
        MultiRegionFault::ReplicaExists(arn) => format!("{arn} already exists."),
        MultiRegionFault::Region(arn, region) => {
            format!("Region {region} is not valid for this operation on {arn}.")
        }
        MultiRegionFault::ReplicaLacksMaterial(arn) => {
            format!("The new key material has not been imported into {arn}.")
        }
        // Recorded.
        MultiRegionFault::NotPrimary(_) => return None,
    };
    error.aws_name().map(|name| Error::new(name, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Action, KeyPairSpec, Operation};

    const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-000000000000";

    fn arn() -> KeyArn {
        KEY.parse().expect("a key ARN")
    }

    /// One of each that is guessed.
    fn guessed() -> Vec<keystore::Error> {
        use keystore::Error as Refused;
        let alias = || "alias/name".parse().expect("an alias name");
        let policy = keystore::policy::Policy::of_key("{}").expect_err("it lacks everything");
        let wrap = Operation::GenerateDataKeyPairWithoutPlaintext;
        let mut all = vec![
            Refused::AliasNotFound(arn().scope, alias()),
            Refused::AliasExists(arn().scope, alias()),
            Refused::AliasReserved(alias()),
            Refused::AliasToAlias,
            Refused::AliasTargetElsewhere(arn()),
            Refused::AliasLimit(arn()),
            Refused::KeySpec(arn(), KeySpec::Pair(KeyPairSpec::Rsa2048), wrap),
            Refused::Policy(policy),
            Refused::PolicyLength,
            Refused::GrantOperation(arn(), Action::from(wrap)),
            Refused::GrantLimit(arn()),
            Refused::GrantNotFound("0".to_owned()),
        ];
        let grants = [
            GrantFault::Principal("nobody".to_owned()),
            GrantFault::Operation(Action::from(wrap)),
            GrantFault::Constraint,
        ];
        all.extend(grants.map(Refused::Grant));
        let material = "00".repeat(32).parse().expect("a material id");
        let imports = [
            ImportFault::Token,
            ImportFault::TokenExpired,
            ImportFault::IncorrectMaterial(arn()),
            ImportFault::MaterialUnknown(arn(), material),
        ];
        all.extend(imports.map(Refused::Import));
        let regions = [
            MultiRegionFault::ReplicaExists(arn()),
            MultiRegionFault::Region(arn(), arn().scope.region),
            MultiRegionFault::ReplicaLacksMaterial(arn()),
        ];
        all.extend(regions.map(Refused::MultiRegion));
        all
    }

    #[test]
    fn the_command_line_says_what_is_guessed_here() {
        for error in guessed() {
            let guess = of_keystore(&error).unwrap_or_else(|| panic!("{error:?} is no guess"));
            assert_eq!(Some(guess.name), error.aws_name(), "{error:?}");
            assert_eq!(guess.message.as_deref().unwrap_or_default(), error.to_string());
        }
    }

    #[test]
    fn what_is_recorded_is_no_guess() {
        use keystore::Error as Refused;
        for error in [
            Refused::Disabled(arn()),
            Refused::MultiRegion(MultiRegionFault::NotPrimary(arn())),
            Refused::Grant(GrantFault::NoOperation),
            Refused::Tag(keystore::TagFault::Duplicate),
        ] {
            assert_eq!(of_keystore(&error), None, "{error:?}");
        }
    }
}
