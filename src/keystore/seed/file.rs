//! From TOML to a [`Seed`]. A fault is told by its line and never shows a value, which may be a
//! secret.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Value;

use super::{Seed, SeedKey};
use crate::keystore::ScopeOptions;
use crate::keystore::grant::{GrantConstraints, GrantId, GrantTerms, grant_operation};
use crate::keystore::key::KeyState;
use crate::keystore::policy::Policy;
use crate::keystore::principal::{AccessKey, CreatePrincipal, Session};
use crate::limits::DESCRIPTION_CHARS_MAX;
use crate::secret::Secret;
use crate::spec::key_id::Scope;
use crate::spec::{Account, Action, AliasName, KeyArn, Region, ResourceId};

/// A line, from 1, and what is wrong there.
pub(super) type Fault = (Option<usize>, String);

/// A value that is read from its text.
struct Read<T>(T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map(Self).map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    account: Option<Read<Account>>,
    region: Option<Read<Region>>,
    #[serde(default)]
    principal: Vec<Principal>,
    #[serde(default)]
    key: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Principal {
    name: String,
    account: Option<Read<Account>>,
    access_key_id: String,
    secret_access_key: SecretText,
    session_token: Option<String>,
    expires: Option<Read<Timestamp>>,
    policy: Option<PrincipalPolicy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: Read<ResourceId>,
    account: Option<Read<Account>>,
    region: Option<Read<Region>>,
    description: Option<Description>,
    #[serde(default)]
    state: State,
    policy: Option<KeyPolicy>,
    #[serde(default)]
    materials: Materials,
    #[serde(default)]
    aliases: Vec<Read<AliasName>>,
    #[serde(default)]
    grant: Vec<GrantEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantEntry {
    id: Option<Read<GrantId>>,
    name: Option<String>,
    grantee: String,
    retiring: Option<String>,
    operations: Vec<GrantOperation>,
    encryption_context_equals: Option<BTreeMap<String, String>>,
    encryption_context_subset: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
enum State {
    #[default]
    Enabled,
    Disabled,
    PendingImport,
}

/// Reads a seed; what each entry alone shows is checked.
pub(super) fn parse(text: &str) -> Result<Seed, Fault> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_of(text, span.start));
        (line, error.message().to_owned())
    })?;
    let default = ScopeOptions {
        partition: None,
        region: file.region.map(|region| region.0),
        account: file.account.map(|account| account.0),
    };
    let default = default.resolve(&ScopeOptions::default_scope());
    let default = default.map_err(|error| (None, error.to_string()))?;
    let principals = file.principal.into_iter().map(|entry| principal(entry, &default));
    Ok(Seed {
        principals: principals.collect::<Result<_, _>>()?,
        keys: file.key.into_iter().map(|entry| key(entry, &default)).collect(),
        scope: default,
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

fn principal(entry: Principal, default: &Scope) -> Result<CreatePrincipal, Fault> {
    let name = entry.name;
    let session = match (entry.session_token, entry.expires) {
        (None, None) => None,
        (Some(token), Some(expires)) => Some(Session { token, expires: expires.0 }),
        _ => {
            let what = format!("principal {name}: session_token and expires go together");
            return Err((None, what));
        }
    };
    let wanted = CreatePrincipal {
        account: Some(entry.account.map_or(default.account, |account| account.0)),
        access_key: Some(AccessKey { id: entry.access_key_id, secret: entry.secret_access_key.0 }),
        policy: entry.policy.map(|policy| policy.0),
        session,
        name,
    };
    match wanted.fault() {
        Some(fault) => Err((None, format!("principal {}: {fault}", wanted.name))),
        None => Ok(wanted),
    }
}

fn key(entry: Key, default: &Scope) -> SeedKey {
    let region = entry.region.map_or_else(|| default.region.clone(), |region| region.0);
    let account = entry.account.map_or(default.account, |account| account.0);
    let scope = Scope { partition: region.partition(), region, account };
    let grants = entry.grant.into_iter().map(|grant| {
        let constraints = GrantConstraints {
            equals: grant.encryption_context_equals,
            subset: grant.encryption_context_subset,
        };
        let terms = GrantTerms {
            name: grant.name,
            grantee: grant.grantee,
            retiring: grant.retiring,
            operations: grant.operations.into_iter().map(|operation| operation.0).collect(),
            constraints,
        };
        (grant.id.map(|id| id.0), terms)
    });
    SeedKey {
        arn: KeyArn { scope, id: entry.id.0 },
        description: entry.description.map(|text| text.0).unwrap_or_default(),
        state: match entry.state {
            State::Enabled => KeyState::Enabled,
            State::Disabled => KeyState::Disabled,
            State::PendingImport => KeyState::PendingImport,
        },
        policy: entry.policy.map(|policy| policy.0),
        materials: entry.materials.0,
        aliases: entry.aliases.into_iter().map(|alias| alias.0).collect(),
        grants: grants.collect(),
    }
}

/// Declares a value that is read from a text, with a check.
macro_rules! checked {
    ($($name:ident($type:ty) = $read:expr;)+) => {$(
        struct $name($type);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let read: fn(String) -> Result<$type, String> = $read;
                let outcome = text(Value::deserialize(input)?).and_then(read);
                outcome.map(Self).map_err(D::Error::custom)
            }
        }
    )+};
}

checked! {
    SecretText(Secret<String>) = |text| Ok(Secret::new(text));
    PrincipalPolicy(String) = |text| checked(Policy::of_principal(&text).map_err(|e| e.to_string()), text);
    KeyPolicy(String) = |text| checked(Policy::of_key(&text).map_err(|e| e.to_string()), text);
    GrantOperation(Action) = |text| {
        grant_operation(&text).ok_or_else(|| format!("'{text}' is no operation of a grant"))
    };
    Description(String) = |text| {
        let fits = text.chars().count() <= DESCRIPTION_CHARS_MAX;
        fits.then_some(text).ok_or_else(|| format!("more than {DESCRIPTION_CHARS_MAX} characters"))
    };
}

/// The text of a value, whose own error would show what it is instead.
fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("a text is needed".to_owned()),
    }
}

/// A list of materials.
#[derive(Default)]
struct Materials(Vec<Secret<[u8; 32]>>);

impl<'de> Deserialize<'de> for Materials {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let Value::Array(values) = Value::deserialize(input)? else {
            return Err(D::Error::custom("a list of texts is needed"));
        };
        let read = |value| material(&Secret::new(text(value)?));
        let materials = values.into_iter().map(read).collect::<Result<_, _>>();
        materials.map(Self).map_err(D::Error::custom)
    }
}

fn checked<T>(outcome: Result<T, String>, text: String) -> Result<String, String> {
    outcome.map(|_| text)
}

/// Thirty-two bytes in hexadecimal; not shown where they are none.
fn material(text: &Secret<String>) -> Result<Secret<[u8; 32]>, String> {
    let digits = text.expose().as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut material = Secret::new([0; 32]);
    let is_hex = digits.len() == 64
        && digits.chunks_exact(2).zip(material.expose_mut()).all(|(pair, byte)| {
            let value = digit(pair[0]).zip(digit(pair[1]));
            *byte = value.map_or(0, |(high, low)| high << 4 | low);
            value.is_some()
        });
    if is_hex { Ok(material) } else { Err("a material has 64 hexadecimal digits".to_owned()) }
}
