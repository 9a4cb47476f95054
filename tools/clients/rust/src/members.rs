//! Members of requests and answers: of JSON, and of the SDK's types.

#![expect(deprecated, reason = "CustomerMasterKeySpec is what the service still answers")]

use std::collections::HashMap;

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{
    AlgorithmSpec, AliasListEntry, CustomerMasterKeySpec, DataKeyPairSpec, DataKeySpec,
    EncryptionAlgorithmSpec, ExpirationModelType, GrantConstraints, GrantListEntry, GrantOperation,
    KeyListEntry, KeyManagerType, KeyMetadata, KeySpec, KeyState, KeyUsageType, MacAlgorithmSpec,
    MessageType, MultiRegionConfiguration, MultiRegionKeyType, OriginType, SigningAlgorithmSpec,
    Tag, WrappingKeySpec,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

/// The members of a request that nobody has taken yet.
pub struct Members(Map<String, Value>);

/// What the SDK cannot be brought to send, in words.
pub struct Lacks(pub String);

impl Members {
    pub fn new(members: Value) -> Self {
        let Value::Object(members) = members else { return Self(Map::new()) };
        Self(members)
    }

    /// The member that the setter `set_key_id` is for, if it is there: `KeyId`.
    pub fn take<T: Asked>(&mut self, setter: &str) -> Result<Option<T>, Lacks> {
        let name = camel(setter.trim_start_matches("set_"));
        let Some(value) = self.0.remove(&name) else { return Ok(None) };
        let lacks = || Lacks(format!("{name} cannot be {value}"));
        T::read(&value).map(Some).ok_or_else(lacks)
    }

    /// All members must have been taken.
    pub fn end(self) -> Result<(), Lacks> {
        self.0.keys().next().map_or(Ok(()), |name| Err(Lacks(format!("no member {name}"))))
    }
}

/// `key_id` as `KeyId`.
pub fn camel(name: &str) -> String {
    let capitalized = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').map(capitalized).collect()
}

/// A type of the SDK's requests.
pub trait Asked: Sized {
    fn read(value: &Value) -> Option<Self>;
}

impl Asked for String {
    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl Asked for bool {
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Asked for i32 {
    fn read(value: &Value) -> Option<Self> {
        value.as_i64()?.try_into().ok()
    }
}

impl Asked for Blob {
    fn read(value: &Value) -> Option<Self> {
        BASE64_STANDARD.decode(value.as_str()?).ok().map(Self::new)
    }
}

impl<T: Asked> Asked for Vec<T> {
    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::read).collect()
    }
}

impl Asked for HashMap<String, String> {
    fn read(value: &Value) -> Option<Self> {
        let pair = |(key, value): (&String, &Value)| Some((key.clone(), String::read(value)?));
        value.as_object()?.iter().map(pair).collect()
    }
}

impl Asked for Tag {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str();
        Self::builder().tag_key(text("TagKey")?).tag_value(text("TagValue")?).build().ok()
    }
}

impl Asked for GrantConstraints {
    fn read(value: &Value) -> Option<Self> {
        let mut members = Members::new(value.clone());
        let subset = members.take("encryption_context_subset").ok()?;
        let equals = members.take("encryption_context_equals").ok()?;
        members.end().ok()?;
        let builder = Self::builder().set_encryption_context_subset(subset);
        Some(builder.set_encryption_context_equals(equals).build())
    }
}

/// A type of the SDK's answers.
pub trait Told {
    fn write(&self) -> Value;
}

impl Told for str {
    fn write(&self) -> Value {
        self.into()
    }
}

impl Told for bool {
    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Told for Blob {
    fn write(&self) -> Value {
        BASE64_STANDARD.encode(self).into()
    }
}

impl<T: Told + ?Sized> Told for &T {
    fn write(&self) -> Value {
        T::write(self)
    }
}

impl<T: Told> Told for Option<T> {
    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }
}

impl<T: Told> Told for [T] {
    fn write(&self) -> Value {
        self.iter().map(T::write).collect()
    }
}

/// Names of the model, known to the SDK or not.
macro_rules! names {
    ($($name:ident)*) => {$(
        impl Asked for $name {
            fn read(value: &Value) -> Option<Self> {
                value.as_str().map(Self::from)
            }
        }

        impl Told for $name {
            fn write(&self) -> Value {
                self.as_str().into()
            }
        }
    )*};
}

names! {
    AlgorithmSpec CustomerMasterKeySpec DataKeyPairSpec DataKeySpec EncryptionAlgorithmSpec
    ExpirationModelType GrantOperation KeyManagerType KeySpec KeyState KeyUsageType MacAlgorithmSpec MessageType
    MultiRegionKeyType OriginType SigningAlgorithmSpec WrappingKeySpec
}

/// Structures of answers, with the members that are asked for.
macro_rules! structures {
    ($($name:ident { $($member:ident)* })*) => {$(
        impl Told for $name {
            fn write(&self) -> Value {
                json!({ $(camel(stringify!($member)): self.$member().write()),* })
            }
        }
    )*};
}

structures! {
    AliasListEntry { alias_name alias_arn target_key_id }
    GrantListEntry { key_id grant_id grantee_principal operations }
    KeyListEntry { key_id key_arn }
    MultiRegionConfiguration { multi_region_key_type }
    Tag { tag_key tag_value }
}

impl Told for KeyMetadata {
    fn write(&self) -> Value {
        macro_rules! members {
            ($($member:ident)*) => {
                json!({
                    // The one name that is not written as the others are.
                    "AWSAccountId": self.aws_account_id().write(),
                    $(camel(stringify!($member)): self.$member().write()),*
                })
            };
        }
        members! {
            key_id arn enabled description key_usage key_state origin key_manager
            customer_master_key_spec key_spec encryption_algorithms multi_region
            multi_region_configuration expiration_model
        }
    }
}
