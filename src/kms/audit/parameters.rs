//! `requestParameters`: the members of a request that are neither secret nor bulky.
//!
//! What is shown is named here, one by one; everything else is left out, known or not: plaintexts,
//! messages, imported material, grant tokens, ciphertexts. Names begin with a small letter, as in
//! CloudTrail.

use core::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::Json;
use crate::kms::wire::Text;
use crate::limits::AUDIT_PARAMETERS_BYTES_MAX;

/// Writes `body`, the one of a request, as far as it may be shown.
pub(super) fn write_parameters(body: &[u8], json: &mut Json<'_>) {
    let Ok(Shown(members)) = serde_json::from_slice(body) else {
        return json.raw("null");
    };
    let bytes: usize = members.iter().map(|(_, value)| value.get().len()).sum();
    json.object(|json| {
        if bytes > AUDIT_PARAMETERS_BYTES_MAX {
            json.member("omitted").raw("true");
            return json.member("originalSize").raw(&bytes.to_string());
        }
        for (name, value) in members {
            let json = json.camel_member(name);
            match one_line(value) {
                Some(value) => json.raw(value.get()),
                None => json.raw(&inner_names(name, value).to_string()),
            }
        }
    });
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
                    (lower_camel(&name), value)
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
fn lower_camel(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> String {
        let mut out = Vec::new();
        write_parameters(body.as_bytes(), &mut Json(&mut out));
        String::from_utf8(out).unwrap()
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
