//! From JSON to a [`Policy`], refusing whatever is not understood, by its place.

use core::fmt;
use core::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::condition::{Condition, Operator};
use super::key::ConditionKey;
use super::pattern::Pattern;
use super::principal::{Principal, Principals};
use super::{Effect, Policy, Selection, Statement};
use crate::limits::POLICY_BYTES_MAX;

/// Most statements of one policy.
const STATEMENTS_MAX: usize = 1000;

/// Why a text is no policy: the place, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    place: String,
    what: String,
}

impl PolicyError {
    fn at(place: &str, what: impl fmt::Display) -> Self {
        Self { place: place.to_owned(), what: what.to_string() }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            return write!(f, "the policy: {}", self.what);
        }
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl core::error::Error for PolicyError {}

/// Whose policy it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of a key: every statement says whom it speaks of.
    Key,
    /// Of a principal, of whom every statement speaks.
    Identity,
}

impl Policy {
    /// Reads the policy of a key.
    ///
    /// # Errors
    ///
    /// The first thing that is not understood, by its place.
    pub fn of_key(json: &str) -> Result<Self, PolicyError> {
        read(json, Kind::Key)
    }

    /// Reads the policy of a principal: its statements name no principals.
    ///
    /// # Errors
    ///
    /// As [`of_key`](Self::of_key).
    pub fn of_principal(json: &str) -> Result<Self, PolicyError> {
        read(json, Kind::Identity)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Document {
    version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    statement: OneOrMany<RawStatement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawStatement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: String,
    principal: Option<RawPrincipals>,
    not_principal: Option<RawPrincipals>,
    action: Option<OneOrMany<String>>,
    not_action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<OneOrMany<String>>,
    condition: Option<Entries<Entries<OneOrMany<Scalar>>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPrincipals {
    Anybody(String),
    Of(Entries<OneOrMany<String>>),
}

/// A text; numbers and booleans are taken as theirs.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Bool(bool),
    Number(serde_json::Number),
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

fn read(json: &str, kind: Kind) -> Result<Policy, PolicyError> {
    if json.len() > POLICY_BYTES_MAX {
        return Err(PolicyError::at("", format_args!("longer than {POLICY_BYTES_MAX} bytes")));
    }
    let document: Document =
        serde_json::from_str(json).map_err(|error| PolicyError::at("", error))?;
    match document.version.as_deref() {
        None | Some("2012-10-17" | "2008-10-17") => {}
        Some(other) => {
            let what = format!("'{other}' is not a version; write \"2012-10-17\"");
            return Err(PolicyError::at("Version", what));
        }
    }
    let statements = document.statement.0;
    if statements.is_empty() || statements.len() > STATEMENTS_MAX {
        let what = format!("1 to {STATEMENTS_MAX} statements are needed");
        return Err(PolicyError::at("Statement", what));
    }
    let statements = statements.into_iter().enumerate();
    let read = |(at, raw)| statement(&format!("Statement[{at}]"), raw, kind);
    statements.map(read).collect::<Result<_, _>>().map(Policy)
}

fn statement(place: &str, raw: RawStatement, kind: Kind) -> Result<Statement, PolicyError> {
    let effect = match &*raw.effect {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        other => {
            let what = format!("'{other}' is neither Allow nor Deny");
            return Err(PolicyError::at(&format!("{place}.Effect"), what));
        }
    };
    let of_pair = |name, yes, not| exactly_one(place, name, yes, not);
    let (actions, not) = of_pair("Action", raw.action, raw.not_action)?;
    let actions = selection(place, "Action", actions, not, action)?;
    let (resources, not) = of_pair("Resource", raw.resource, raw.not_resource)?;
    let resources = selection(place, "Resource", resources, not, resource)?;
    let principals = match (kind, raw.principal, raw.not_principal) {
        (Kind::Identity, None, None) => None,
        (Kind::Identity, ..) => {
            let what = "the policy of a principal names none: take Principal out";
            return Err(PolicyError::at(place, what));
        }
        (Kind::Key, yes, not) => {
            let (raw, inverted) = exactly_one(place, "Principal", yes, not)?;
            Some(Principals { list: principals(place, raw)?, inverted })
        }
    };
    let conditions = raw.condition.map_or_else(|| Ok(Vec::new()), |raw| conditions(place, raw))?;
    Ok(Statement { effect, principals, actions, resources, conditions })
}

/// An element or its `Not` form: the value, and whether it is the latter.
fn exactly_one<T>(
    place: &str,
    name: &str,
    yes: Option<T>,
    not: Option<T>,
) -> Result<(T, bool), PolicyError> {
    match (yes, not) {
        (Some(value), None) => Ok((value, false)),
        (None, Some(value)) => Ok((value, true)),
        (None, None) => Err(PolicyError::at(place, format_args!("{name} is missing"))),
        (Some(_), Some(_)) => {
            Err(PolicyError::at(place, format_args!("{name} and Not{name} exclude each other")))
        }
    }
}

fn selection(
    place: &str,
    name: &str,
    texts: OneOrMany<String>,
    inverted: bool,
    read: fn(&str) -> Option<Pattern>,
) -> Result<Selection, PolicyError> {
    if texts.0.is_empty() {
        return Err(PolicyError::at(&format!("{place}.{name}"), "at least one is needed"));
    }
    let read = |text: String| {
        let what = format!("'{text}' is not understood");
        let plain = !text.contains("${");
        read(&text)
            .filter(|_| plain)
            .ok_or_else(|| PolicyError::at(&format!("{place}.{name}"), what))
    };
    Ok(Selection { patterns: texts.0.into_iter().map(read).collect::<Result<_, _>>()?, inverted })
}

/// `*` or `SERVICE:NAME`, in either case.
fn action(text: &str) -> Option<Pattern> {
    let is_word = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "*?-".contains(c))
    };
    let fits = text == "*" || text.split_once(':').is_some_and(|(a, b)| is_word(a) && is_word(b));
    fits.then(|| Pattern::any_case(text))
}

/// `*` or something like an ARN.
fn resource(text: &str) -> Option<Pattern> {
    (text == "*" || text.starts_with("arn:")).then(|| Pattern::exact_case(text))
}

fn principals(place: &str, raw: RawPrincipals) -> Result<Vec<Principal>, PolicyError> {
    let place = format!("{place}.Principal");
    let kinds = match raw {
        RawPrincipals::Anybody(text) if text == "*" => return Ok(vec![Principal::Anybody]),
        RawPrincipals::Anybody(text) => {
            return Err(PolicyError::at(&place, format_args!("'{text}' is not \"*\"")));
        }
        RawPrincipals::Of(kinds) => kinds.0,
    };
    let mut list = Vec::new();
    for (kind, values) in kinds {
        for value in values.0 {
            list.push(match &*kind {
                "AWS" => Principal::aws(&value).ok_or_else(|| {
                    let what = format!("'{value}' is no account, user, role or session");
                    PolicyError::at(&format!("{place}.AWS"), what)
                })?,
                "Service" | "Federated" | "CanonicalUser" => Principal::Elsewhere,
                other => {
                    let what = format!("'{other}' is no kind of principal");
                    return Err(PolicyError::at(&place, what));
                }
            });
        }
    }
    if list.is_empty() {
        return Err(PolicyError::at(&place, "at least one is needed"));
    }
    Ok(list)
}

fn conditions(
    place: &str,
    raw: Entries<Entries<OneOrMany<Scalar>>>,
) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for (operator, keys) in raw.0 {
        let place = format!("{place}.Condition.{operator}");
        let operator: Operator =
            operator.parse().map_err(|error| PolicyError::at(&place, error))?;
        for (key, values) in keys.0 {
            let place = format!("{place}.{key}");
            let key: ConditionKey = key.parse().map_err(|error| PolicyError::at(&place, error))?;
            let values: Vec<String> = values.0.into_iter().map(Scalar::into_text).collect();
            if values.is_empty() {
                return Err(PolicyError::at(&place, "at least one value is needed"));
            }
            if let Some(variable) = values.iter().find(|value| value.contains("${")) {
                let what = format!("'{variable}': policy variables are not understood");
                return Err(PolicyError::at(&place, what));
            }
            let condition = Condition::new(operator, key, &values).map_err(|at| {
                PolicyError::at(&place, format_args!("'{}' does not suit the operator", values[at]))
            })?;
            conditions.push(condition);
        }
    }
    Ok(conditions)
}

/// One value, or a list of them.
struct OneOrMany<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Values(PhantomData))
    }
}

/// Reads a list as such, and anything else as the one value.
struct Values<T>(PhantomData<T>);

/// A value that is not a list.
macro_rules! one {
    ($($visit:ident($type:ty))+) => {$(
        fn $visit<E: serde::de::Error>(self, value: $type) -> Result<OneOrMany<T>, E> {
            T::deserialize(value.into_deserializer()).map(|one| OneOrMany(vec![one]))
        }
    )+};
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Values<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    one! { visit_str(&str) visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(OneOrMany(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMany<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
    }
}

/// An object, in its order, in which no name stands twice.
struct Entries<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries: Vec<(String, T)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    if entries.iter().any(|(other, _)| *other == name) {
                        return Err(A::Error::custom(format_args!("'{name}' stands twice")));
                    }
                    entries.push((name, value));
                }
                Ok(Entries(entries))
            }
        }
        json.deserialize_any(Object(PhantomData))
    }
}
