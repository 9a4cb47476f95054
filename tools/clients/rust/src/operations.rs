//! The operations of the walk: which members a call may be given, and which are read of its answer.

use std::fmt::Debug;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use serde_json::{Value, json};

use crate::members::{Lacks, Members, Told, camel};

/// `operation(setters of members) -> getters of members;`, by the names of the SDK.
macro_rules! operations {
    ($($operation:ident($($setter:ident)*) -> $($getter:ident)*;)*) => {
        /// Makes one call, and tells what came of it.
        pub async fn call(client: &Client, operation: &str, mut members: Members) -> Value {
            $(
                if operation == camel(stringify!($operation)) {
                    let build = || {
                        let call = client.$operation();
                        $(let call = call.$setter(members.take(stringify!($setter))?);)*
                        members.end().map(|()| call)
                    };
                    let call = match build() {
                        Ok(call) => call,
                        Err(Lacks(what)) => return json!({ "lacks": what }),
                    };
                    return match Box::pin(call.send()).await {
                        Ok(_output) => json!({ "output": {
                            $(camel(stringify!($getter)): _output.$getter().write()),*
                        } }),
                        Err(error) => refused(&error),
                    };
                }
            )*
            json!({ "lacks": format!("no operation {operation}") })
        }
    };
}

operations! {
    cancel_key_deletion(set_key_id) -> key_id;
    create_alias(set_alias_name set_target_key_id) ->;
    create_grant(set_key_id set_grantee_principal set_operations set_constraints)
        -> grant_id grant_token;
    create_key(
        set_description set_key_spec set_key_usage set_origin set_multi_region set_tags
    ) -> key_metadata;
    decrypt(
        set_ciphertext_blob set_key_id set_encryption_context set_encryption_algorithm
        set_grant_tokens set_dry_run
    ) -> key_id plaintext encryption_algorithm;
    delete_alias(set_alias_name) ->;
    delete_imported_key_material(set_key_id) ->;
    describe_custom_key_stores() ->;
    describe_key(set_key_id) -> key_metadata;
    disable_key(set_key_id) ->;
    enable_key(set_key_id) ->;
    enable_key_rotation(set_key_id) ->;
    encrypt(
        set_key_id set_plaintext set_encryption_context set_encryption_algorithm set_dry_run
    ) -> key_id ciphertext_blob;
    generate_data_key(
        set_key_id set_key_spec set_number_of_bytes set_encryption_context set_grant_tokens
        set_dry_run
    ) -> key_id plaintext ciphertext_blob;
    generate_data_key_pair(
        set_key_id set_key_pair_spec set_encryption_context set_grant_tokens set_dry_run
    ) -> key_id key_pair_spec public_key private_key_plaintext private_key_ciphertext_blob;
    generate_data_key_pair_without_plaintext(
        set_key_id set_key_pair_spec set_encryption_context set_grant_tokens set_dry_run
    ) -> key_id key_pair_spec public_key private_key_ciphertext_blob;
    generate_data_key_without_plaintext(
        set_key_id set_key_spec set_number_of_bytes set_encryption_context set_dry_run
    ) -> key_id ciphertext_blob;
    generate_mac(set_key_id set_message set_mac_algorithm) -> key_id mac;
    generate_random(set_number_of_bytes) -> plaintext;
    get_key_policy(set_key_id set_policy_name) -> policy;
    get_key_rotation_status(set_key_id) -> key_rotation_enabled;
    get_parameters_for_import(set_key_id set_wrapping_algorithm set_wrapping_key_spec)
        -> key_id import_token public_key;
    get_public_key(set_key_id) -> key_id public_key;
    import_key_material(
        set_key_id set_import_token set_encrypted_key_material set_expiration_model
    ) ->;
    list_aliases(set_key_id) -> aliases;
    list_grants(set_key_id) -> grants;
    list_keys(set_limit) -> keys;
    list_resource_tags(set_key_id) -> tags;
    put_key_policy(set_key_id set_policy_name set_policy) ->;
    re_encrypt(
        set_ciphertext_blob set_source_key_id set_source_encryption_context set_destination_key_id
        set_destination_encryption_context
    ) -> key_id source_key_id ciphertext_blob;
    replicate_key(set_key_id set_replica_region) -> replica_key_metadata;
    revoke_grant(set_key_id set_grant_id) ->;
    rotate_key_on_demand(set_key_id) -> key_id;
    schedule_key_deletion(set_key_id set_pending_window_in_days) -> key_id key_state;
    sign(set_key_id set_message set_message_type set_signing_algorithm) -> key_id signature;
    tag_resource(set_key_id set_tags) ->;
    untag_resource(set_key_id set_tag_keys) ->;
    update_alias(set_alias_name set_target_key_id) ->;
    verify(set_key_id set_message set_message_type set_signature set_signing_algorithm)
        -> key_id signature_valid;
    verify_mac(set_key_id set_message set_mac set_mac_algorithm) -> key_id mac_valid;
}

/// A call that the service refused, or that the SDK did not make.
fn refused<E>(error: &SdkError<E, HttpResponse>) -> Value
where
    E: std::error::Error + ProvideErrorMetadata + Debug + 'static,
{
    let SdkError::ServiceError(told) = error else {
        return json!({ "lacks": DisplayErrorContext(error).to_string() });
    };
    let service = told.err();
    // The variant of the operation's own error, `KmsInvalidStateException(..)`: abbreviations are
    // written as words there.
    let variant = format!("{service:?}");
    let class = variant.split('(').next().map(|class| class.replacen("Kms", "KMS", 1));
    json!({
        "code": service.code(),
        "message": service.message().unwrap_or_default(),
        "class": class,
        "status": told.raw().status().as_u16(),
    })
}
