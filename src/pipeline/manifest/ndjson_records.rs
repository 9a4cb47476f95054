//! Rows written as JSON objects, one a line.

use core::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::At;
use super::{ManifestError, Place, Record};

/// Reads JSON lines one by one.
pub(super) struct NdjsonRecords<'m, R> {
    input: BufReader<R>,
    columns: Option<&'m [String]>,
    at: u64,
    line: u64,
    buffer: Vec<u8>,
}

/// The members of one object in their order, numbers and booleans still as they were written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        input.deserialize_map(MembersVisitor)
    }
}

impl<'m, R: Read> NdjsonRecords<'m, R> {
    /// From `offset` bytes into a file whose rows have `columns`.
    pub(super) fn new(input: R, offset: u64, columns: Option<&'m [String]>) -> Self {
        let input = BufReader::with_capacity(1 << 16, input);
        Self { input, columns, at: offset, line: 0, buffer: Vec::new() }
    }

    /// The member names of the first row.
    pub(super) fn columns(mut self, path: &Path) -> Result<Vec<String>, ManifestError> {
        let at = At { path, row: 1 };
        let mut first = Record::default();
        if self.next_line(&mut first, at)? {
            let place = || at.line(first.line);
            Ok(parse(utf8(&self.buffer, place)?, place)?
                .0
                .into_iter()
                .map(|(name, _)| name)
                .collect())
        } else {
            Ok(Vec::new())
        }
    }

    /// Reads the next row; false at the end. Blank lines are passed over.
    pub(super) fn read(&mut self, record: &mut Record, at: At<'_>) -> Result<bool, ManifestError> {
        if !self.next_line(record, at)? {
            return Ok(false);
        }
        let line = record.line;
        let place = || at.line(line);
        let Members(members) = parse(utf8(&self.buffer, place)?, place)?;
        let columns = self.columns.unwrap_or_default();
        record.values.clear();
        for (position, name) in columns.iter().enumerate() {
            // Members nearly always come in the same order; look there first.
            let is_it = |member: &&(String, &RawValue)| member.0 == *name;
            let found = members.get(position).filter(is_it);
            let Some((_, value)) = found.or_else(|| members.iter().find(is_it)) else {
                return Err(ManifestError::MissingMember { place: place(), name: name.clone() });
            };
            record.values.push_field(&scalar(value, name, place)?);
        }
        if members.len() != columns.len() {
            let known = |name: &String| columns.contains(name);
            let extra = members.iter().map(|(name, _)| name).find(|name| !known(name));
            let repeated = || members.last().map(|(name, _)| name);
            let name = extra.or_else(repeated).cloned().unwrap_or_default();
            return Err(ManifestError::ExtraMember { place: place(), name });
        }
        Ok(true)
    }

    fn next_line(&mut self, record: &mut Record, at: At<'_>) -> Result<bool, ManifestError> {
        loop {
            self.buffer.clear();
            record.start = self.at;
            let read = self.input.read_until(b'\n', &mut self.buffer);
            let read =
                read.map_err(|error| ManifestError::Io { path: at.path.to_owned(), error })?;
            if read == 0 {
                return Ok(false);
            }
            self.line += 1;
            self.at += read as u64;
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        record.end = self.at;
        record.line = self.line;
        Ok(true)
    }
}

fn utf8(bytes: &[u8], place: impl FnOnce() -> Place) -> Result<&str, ManifestError> {
    core::str::from_utf8(bytes).map_err(|_| ManifestError::NotUtf8 { place: place(), column: 0 })
}

fn parse(text: &str, place: impl FnOnce() -> Place) -> Result<Members<'_>, ManifestError> {
    serde_json::from_str(text)
        .map_err(|error| ManifestError::Malformed { place: place(), reason: error.to_string() })
}

/// The value as text: a string's content, a number or boolean as it is written.
fn scalar(
    value: &RawValue,
    name: &str,
    place: impl FnOnce() -> Place,
) -> Result<String, ManifestError> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(|error| ManifestError::Malformed {
            place: place(),
            reason: error.to_string(),
        }),
        Some(b'{' | b'[' | b'n') | None => {
            Err(ManifestError::NotScalar { place: place(), name: name.to_owned() })
        }
        Some(_) => Ok(text.to_owned()),
    }
}
