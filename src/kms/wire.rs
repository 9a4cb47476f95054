//! JSON in and out: members of a request, and the forms that values have in an answer.
//!
//! A request's members are read into a struct of optional fields, borrowed from the body where the
//! text has no escapes. Unknown members are ignored and `null` is the same as absent. What is no
//! JSON object, or has a member of the wrong type, is a `SerializationException`; what a member may
//! hold is checked later, by [`members`](super::members).

use core::fmt;
use std::borrow::Cow;
use std::io;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Serializer;
use serde_json::ser::Formatter;
use serde_json::value::RawValue;
use zeroize::Zeroize;

use super::body::empty_text;
use super::error::Error;
use super::guesses;

/// Bytes of a blob that are encoded at once, whole groups of three: all of most blobs, since where a
/// piece ends some bytes are left over to slower instructions.
const PIECE: usize = 1536;

/// As many as a key of a curve takes, for which a longer room would be made in vain.
const SHORT_PIECE: usize = 384;

/// Encodes in wide registers where this machine has them.
static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

/// Reads the members of a request.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    // serde would take an array for a struct, too.
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    let members = is_object.then(|| serde_json::from_slice(body).ok()).flatten();
    members.ok_or_else(guesses::serialization)
}

/// Writes the members of an answer.
pub(super) fn write(members: &impl Serialize) -> Vec<u8> {
    let mut answer = empty_text();
    let mut out = Serializer::with_formatter(&mut answer, AwsJson);
    members.serialize(&mut out).expect("answers are structs of plain text and numbers");
    answer
}

/// JSON without spaces, in which bytes are a text of base64.
struct AwsJson;

impl Formatter for AwsJson {
    fn write_byte_array<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        blob: &[u8],
    ) -> io::Result<()> {
        out.write_all(b"\"")?;
        if blob.len() <= SHORT_PIECE {
            write_base64::<{ digits_of(SHORT_PIECE) }>(blob, out)?;
        } else {
            write_base64::<{ digits_of(PIECE) }>(blob, out)?;
        }
        out.write_all(b"\"")
    }
}

/// Digits of base64 that so many bytes take, in whole groups of three.
const fn digits_of(bytes: usize) -> usize {
    bytes / 3 * 4
}

/// Writes `blob` in pieces of so many digits. It may be a plaintext key, so that they are zeroed.
fn write_base64<const DIGITS: usize>(
    blob: &[u8],
    out: &mut (impl io::Write + ?Sized),
) -> io::Result<()> {
    let (base64, mut digits) = (&*BASE64, [0; DIGITS]);
    for piece in blob.chunks(DIGITS / 4 * 3) {
        let written = base64.encode_slice(piece, &mut digits);
        let digits = &mut digits[..written.expect("there is room for four digits of three bytes")];
        let done = out.write_all(digits);
        // As a slice, which is many at a time; an array is zeroed one by one.
        digits.zeroize();
        done?;
    }
    Ok(())
}

/// A text member.
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        input.deserialize_str(TextVisitor)
    }
}

/// The pairs of an encryption context. A number or a boolean is taken as its text, as the KMS
/// developer guide says; a `null` is no text.
#[derive(Debug, Default)]
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    pairs.push((key, scalar_text(value).map_err(de::Error::custom)?));
                }
                Ok(Pairs(pairs))
            }
        }

        input.deserialize_map(PairsVisitor)
    }
}

fn scalar_text(value: &RawValue) -> Result<String, &'static str> {
    match value.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(value.get()).map_err(|_| "a text"),
        Some(b'-' | b'0'..=b'9' | b't' | b'f') => Ok(value.get().to_owned()),
        _ => Err("a text, a number or a boolean"),
    }
}

/// A blob member of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blob<'a>(pub(super) &'a [u8]);

impl Serialize for Blob<'_> {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_bytes(self.0)
    }
}

/// A timestamp member: seconds since 1970, to the millisecond.
#[derive(Clone, Copy, Debug)]
pub(super) struct Date(pub(super) Timestamp);

impl Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_f64(self.0.as_millisecond() as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let since = SignedDuration::try_from_secs_f64(f64::deserialize(input)?);
        let date = since.and_then(|since| Timestamp::UNIX_EPOCH.checked_add(since));
        date.map(Self).map_err(de::Error::custom)
    }
}

/// A member of an answer that is written as its `Display` says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<T>(pub(super) T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn blobs_of_all_lengths_are_one_text_of_base64() {
        for bytes in 0..3 * PIECE {
            let blob: Vec<u8> = (0..bytes).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
            let expected = serde_json::to_vec(&BASE64_STANDARD.encode(&blob)).unwrap();
            assert_eq!(write(&Blob(&blob)), expected, "{bytes} bytes");
        }
    }
}
