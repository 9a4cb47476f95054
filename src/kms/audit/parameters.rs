//! `requestParameters`: the members of a request that are neither secret nor bulky.
//!
//! What is shown is named here, one by one; everything else is left out, known or not: plaintexts,
//! messages, imported material, grant tokens, ciphertexts. Names begin with a small letter, as in
//! CloudTrail.

use core::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::kms::wire::Text;
use crate::limits::AUDIT_PARAMETERS_BYTES_MAX;

/// The body of a request, shown as far as it may be.
#[derive(Debug)]
pub(super) struct Parameters<'a>(pub(super) &'a [u8]);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let Ok(Shown(members)) = serde_json::from_slice(self.0) else {
            return out.serialize_unit();
        };
        let bytes: usize = members.iter().map(|(_, value)| value.get().len()).sum();
        let mut map = out.serialize_map(None)?;
        if bytes > AUDIT_PARAMETERS_BYTES_MAX {
            map.serialize_entry("omitted", &true)?;
            map.serialize_entry("originalSize", &bytes)?;
            return map.end();
        }
        for (name, value) in members {
            let name = LowerCamel(name);
            match one_line(value) {
                Some(value) => map.serialize_entry(&name, value)?,
                None => map.serialize_entry(&name, &inner_names(name.0, value))?,
            }
        }
        map.end()
    }
}

/// What may be shown, by its name in the service model.
fn shown_name(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 52] = [
        "KeyId",
        "KeyPairSpec",
        "EncryptionContext",
        "EncryptionAlgorithm",
        "KeySpec",
        "NumberOfBytes",
        "DryRun",
        "DryRunModifiers",
        "SourceKeyId",
        "SourceEncryptionContext",
        "SourceEncryptionAlgorithm",
        "DestinationKeyId",
        "DestinationEncryptionContext",
        "DestinationEncryptionAlgorithm",
        "AliasName",
        "TargetKeyId",
        "Limit",
        "Marker",
        "KeyUsage",
        "CustomerMasterKeySpec",
        "Origin",
        "Description",
        "MultiRegion",
        "Policy",
        "PolicyName",
        "BypassPolicyLockoutSafetyCheck",
        "Tags",
        "TagKeys",
        "PendingWindowInDays",
        "RotationPeriodInDays",
        "GranteePrincipal",
        "RetiringPrincipal",
        "Operations",
        "Constraints",
        "Name",
        "GrantId",
        "SigningAlgorithm",
        "MessageType",
        "MacAlgorithm",
        "KeyAgreementAlgorithm",
        "WrappingAlgorithm",
        "WrappingKeySpec",
        "ExpirationModel",
        "ValidTo",
        "ImportType",
        "KeyMaterialId",
        "KeyMaterialDescription",
        "IncludeKeyMaterial",
        "ReplicaRegion",
        "PrimaryRegion",
        "CustomKeyStoreId",
        "CustomKeyStoreName",
    ];
    NAMES.into_iter().find(|shown| *shown == name)
}

/// Members of a body that may be shown.
struct Shown<'a>(Vec<(&'static str, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Shown<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct ShownVisitor;

        impl<'de> Visitor<'de> for ShownVisitor {
            type Value = Shown<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shown<'de>, A::Error> {
                let mut members = Vec::with_capacity(4);
                while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
                    match shown_name(&name) {
                        Some(name) => members.push((name, map.next_value::<&'de RawValue>()?)),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Shown(members))
            }
        }

        input.deserialize_map(ShownVisitor)
    }
}

/// A value that can stand as it was sent: a scalar, or a map of texts on one line.
fn one_line(value: &RawValue) -> Option<&RawValue> {
    let text = value.get().as_bytes();
    let is_scalar = !matches!(text.first(), Some(b'{' | b'['));
    let is_flat = || text.iter().all(|byte| !matches!(byte, b'\n' | b'\r' | b'['));
    let is_map_of_texts = || !text.get(1..).unwrap_or_default().contains(&b'{');
    (is_scalar || (text.first() == Some(&b'{') && is_flat() && is_map_of_texts())).then_some(value)
}

/// A value whose members begin with a small letter, but for the keys of encryption contexts, which
/// are the caller's.
fn inner_names(name: &str, value: &RawValue) -> Value {
    let value = serde_json::from_str(value.get()).unwrap_or(Value::Null);
    renamed(value, name.contains("EncryptionContext"))
}

fn renamed(value: Value, is_context: bool) -> Value {
    match value {
        Value::Object(members) if is_context => Value::Object(members),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    let value = renamed(value, name.starts_with("EncryptionContext"));
                    (LowerCamel(&name).to_string(), value)
                })
                .collect(),
        ),
        Value::Array(values) => {
            Value::Array(values.into_iter().map(|value| renamed(value, is_context)).collect())
        }
        scalar => scalar,
    }
}

/// A name with a small letter in front.
struct LowerCamel<'a>(&'a str);

impl fmt::Display for LowerCamel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        if let Some(first) = chars.next() {
            write!(f, "{}{}", first.to_ascii_lowercase(), chars.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for LowerCamel<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> String {
        serde_json::to_string(&Parameters(body.as_bytes())).unwrap()
    }

    #[test]
    fn members_are_shown_by_name_and_nothing_else_is() {
        assert_eq!(
            shown(
                r#"{"KeyId": "alias/a", "Plaintext": "c2VjcmV0", "EncryptionContext": {"A": "1"}}"#
            ),
            r#"{"keyId":"alias/a","encryptionContext":{"A": "1"}}"#
        );
        for secret in [
            "Plaintext",
            "Message",
            "EncryptedKeyMaterial",
            "ImportToken",
            "GrantTokens",
            "CiphertextBlob",
            "Recipient",
            "Mac",
            "Signature",
        ] {
            assert_eq!(shown(&format!(r#"{{"{secret}": "x", "Anything": 1}}"#)), "{}", "{secret}");
        }
        assert_eq!(shown("[1]"), "null");
    }

    /// A line of the log must stay one line.
    #[test]
    fn values_stand_on_one_line_with_inner_names_in_small() {
        let body = "{\"Constraints\": {\n\"EncryptionContextSubset\": {\"Team\": \"A\"}},\
                    \"Tags\": [{\"TagKey\": \"K\", \"TagValue\": \"V\"}],\
                    \"EncryptionContext\": {\n\"Index\": 5}}";
        assert_eq!(
            shown(body),
            r#"{"constraints":{"encryptionContextSubset":{"Team":"A"}},"tags":[{"tagKey":"K","tagValue":"V"}],"encryptionContext":{"Index":5}}"#
        );
    }

    #[test]
    fn what_is_bulky_is_left_out() {
        let body = format!(r#"{{"Policy": "{}"}}"#, "x".repeat(AUDIT_PARAMETERS_BYTES_MAX));
        let bytes = AUDIT_PARAMETERS_BYTES_MAX + 2;
        assert_eq!(shown(&body), format!(r#"{{"omitted":true,"originalSize":{bytes}}}"#));
    }
}
