//! Serde through text: what has a `Display` and a `FromStr` is stored as its text, bytes as
//! base64.

use core::fmt::Display;
use core::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes `value` as its text.
pub(super) fn serialize<T: Display, S: Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(value)
}

/// Reads a value from its text.
pub(super) fn deserialize<'de, T, D>(input: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(input)?.parse().map_err(D::Error::custom)
}

/// Values that may be absent, or null.
pub(super) mod option {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};
    use serde::de::Error as _;

    /// Writes the text of the value, or null.
    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => out.collect_str(value),
            None => out.serialize_none(),
        }
    }

    /// Reads the value from its text, if there is one.
    pub(in super::super) fn deserialize<'de, T, D>(input: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(input)?;
        text.map(|text| text.parse()).transpose().map_err(D::Error::custom)
    }
}

/// Arrays of bytes that are no secret.
pub(super) mod bytes {
    use super::{Deserialize, Deserializer, Engine, STANDARD, Serializer};
    use serde::de::Error as _;

    /// Writes the bytes in base64.
    pub(in super::super) fn serialize<const N: usize, S: Serializer>(
        value: &[u8; N],
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(value))
    }

    /// Reads exactly `N` bytes of base64.
    pub(in super::super) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        input: D,
    ) -> Result<[u8; N], D::Error> {
        let bytes = STANDARD.decode(String::deserialize(input)?).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("wrong number of bytes"))
    }
}
