//! The encryption context of a job: fixed pairs, or pairs filled from the row's columns.
//!
//! A value may name columns in braces: `serial={serial}` binds every row to its own serial.
//! `{{` and `}}` stand for the braces themselves; `{Index}` is the row's number among the rows of
//! its spec, the column `Index` of the output. Keys are taken as they are.

use core::fmt;
use std::collections::BTreeMap;

use serde::de::{MapAccess, Visitor};

use crate::limits::{CONTEXT_BYTES_MAX, CONTEXT_PAIRS_MAX};
use crate::pipeline::manifest::{Row, Rows};
use crate::spec::EncryptionContext;
use crate::spec::encryption_context::{
    EncryptionContextError, encode_count, encode_text, encode_text_with,
};

/// The name under which a row's number can be used: the output's column of that name.
pub const INDEX_COLUMN: &str = "Index";

/// Pairs whose values may name columns, not yet matched with a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextTemplate {
    pairs: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Value {
    source: String,
    pieces: Vec<Piece<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<Column> {
    Text(String),
    Index,
    Column(Column),
}

impl ContextTemplate {
    /// Parses `k=v,k2=v2` or a JSON object of strings.
    ///
    /// In the first form a value that begins with `"` goes to the closing `"`, with `\"` and
    /// `\\` inside, so that it can hold commas.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let pairs = if text.trim_start().starts_with('{') {
            parse_json(text)?
        } else {
            parse_shorthand(text)?
        };
        let mut template = Self::default();
        for (key, source) in pairs {
            template.insert(key, source)?;
        }
        template.check_size()?;
        Ok(template)
    }

    fn insert(&mut self, key: String, source: String) -> Result<(), TemplateError> {
        if key.is_empty() {
            return Err(EncryptionContextError::EmptyKey.into());
        }
        if source.is_empty() {
            return Err(EncryptionContextError::EmptyValue { key }.into());
        }
        if self.pairs.contains_key(&key) {
            return Err(EncryptionContextError::DuplicateKey { key }.into());
        }
        let pieces = parse_pieces(&source)?;
        self.pairs.insert(key, Value { source, pieces });
        Ok(())
    }

    fn check_size(&self) -> Result<(), TemplateError> {
        let pairs = self.pairs.len();
        if pairs > CONTEXT_PAIRS_MAX {
            return Err(EncryptionContextError::TooManyPairs { pairs }.into());
        }
        let fixed = |value: &Value| -> usize {
            value.pieces.iter().map(|p| if let Piece::Text(t) = p { t.len() } else { 0 }).sum()
        };
        let bytes = self.pairs.iter().map(|(key, value)| key.len() + fixed(value)).sum();
        if bytes > CONTEXT_BYTES_MAX {
            return Err(EncryptionContextError::TooLarge { bytes }.into());
        }
        Ok(())
    }

    /// The template as a JSON object in ascending order of keys: the form kept in output files.
    /// Empty for no context.
    #[must_use]
    pub fn to_json(&self) -> String {
        if self.pairs.is_empty() {
            return String::new();
        }
        let object: serde_json::Map<_, _> =
            self.pairs.iter().map(|(k, v)| (k.clone(), v.source.clone().into())).collect();
        serde_json::Value::Object(object).to_string()
    }

    /// Matches the named columns with the manifest's.
    pub fn bind(&self, columns: &[String]) -> Result<BoundTemplate, TemplateError> {
        let place = |name: &String| match columns.iter().position(|column| column == name) {
            Some(place) => Ok(place),
            None => {
                Err(TemplateError::UnknownColumn { name: name.clone(), columns: columns.to_vec() })
            }
        };
        let mut pairs = Vec::with_capacity(self.pairs.len());
        for (key, value) in &self.pairs {
            let pieces = value
                .pieces
                .iter()
                .map(|piece| {
                    Ok(match piece {
                        Piece::Text(text) => Piece::Text(text.clone()),
                        Piece::Index => Piece::Index,
                        Piece::Column(name) => Piece::Column(place(name)?),
                    })
                })
                .collect::<Result<_, TemplateError>>()?;
            pairs.push((key.clone(), pieces));
        }
        Ok(BoundTemplate::new(pairs))
    }
}

/// A template whose columns are known by place; it fills itself from a row.
#[derive(Clone, Debug)]
pub struct BoundTemplate {
    pairs: Vec<(String, Vec<Piece<usize>>)>,
    /// How many pairs come before the first whose value depends on the row.
    fixed_pairs: usize,
    /// The canonical encoding up to that value: the same for all rows.
    head: Vec<u8>,
}

impl Default for BoundTemplate {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl BoundTemplate {
    fn new(pairs: Vec<(String, Vec<Piece<usize>>)>) -> Self {
        let varies =
            |(_, pieces): &(_, Vec<_>)| pieces.iter().any(|piece| !matches!(piece, Piece::Text(_)));
        let fixed_pairs = pairs.iter().position(varies).unwrap_or(pairs.len());
        let mut head = Vec::new();
        encode_count(pairs.len(), &mut head);
        let no_row = Rows::numbered(0..1);
        for (key, pieces) in &pairs[..fixed_pairs] {
            encode_text(key, &mut head);
            encode_pieces(pieces, &no_row.row(0), &mut head);
        }
        if let Some((key, _)) = pairs.get(fixed_pairs) {
            encode_text(key, &mut head);
        }
        Self { pairs, fixed_pairs, head }
    }

    /// Whether any value depends on the row.
    #[must_use]
    pub fn is_per_row(&self) -> bool {
        self.fixed_pairs < self.pairs.len()
    }

    /// What the canonical encoding of every row's context begins with; see
    /// [`EncryptionContext::encode`].
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Appends the rest of the encoding of `row`'s context to `out`.
    pub fn encode_rest(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        for (place, (key, pieces)) in self.pairs.iter().enumerate().skip(self.fixed_pairs) {
            if place > self.fixed_pairs {
                encode_text(key, out);
            }
            encode_pieces(pieces, row, out);
        }
    }

    /// The row's context as a value of its own.
    pub fn fill(&self, row: &Row<'_>) -> Result<EncryptionContext, EncryptionContextError> {
        let value = |pieces: &[Piece<usize>]| -> String {
            let text = |piece: &Piece<usize>| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Index => row.index().to_string(),
                Piece::Column(place) => row.text(*place).to_owned(),
            };
            pieces.iter().map(text).collect()
        };
        EncryptionContext::from_pairs(self.pairs.iter().map(|(k, v)| (k.clone(), value(v))))
    }
}

fn encode_pieces(pieces: &[Piece<usize>], row: &Row<'_>, out: &mut Vec<u8>) {
    encode_text_with(out, |out| {
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Index => write_decimal(row.index(), out),
                Piece::Column(place) => out.extend_from_slice(row.text(*place).as_bytes()),
            }
        }
    });
}

fn write_decimal(mut number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[start..].reverse();
}

fn parse_pieces(source: &str) -> Result<Vec<Piece<String>>, TemplateError> {
    let braces = || TemplateError::Braces { value: source.to_owned() };
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = source;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if let Some(after_pair) = after.strip_prefix(brace) {
            text.push_str(brace);
            rest = after_pair;
            continue;
        }
        let (name, after_name) = after.split_once('}').ok_or_else(braces)?;
        if brace == "}" || name.is_empty() || name.contains('{') {
            return Err(braces());
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(core::mem::take(&mut text)));
        }
        let is_index = name == INDEX_COLUMN;
        pieces.push(if is_index { Piece::Index } else { Piece::Column(name.to_owned()) });
        rest = after_name;
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// Parses `k=v,k2="v,2"`.
fn parse_shorthand(text: &str) -> Result<Vec<(String, String)>, TemplateError> {
    let mut pairs = Vec::new();
    let mut rest = text;
    loop {
        let malformed = || TemplateError::Shorthand { at: text.len() - rest.len() };
        let (key, after_key) = rest.split_once('=').ok_or_else(malformed)?;
        if key.contains(',') {
            return Err(malformed());
        }
        let (value, after_value) = if let Some(quoted) = after_key.strip_prefix('"') {
            parse_quoted(quoted).ok_or_else(malformed)?
        } else {
            let (value, after) = after_key.split_at(after_key.find(',').unwrap_or(after_key.len()));
            (value.to_owned(), after)
        };
        pairs.push((key.to_owned(), value));
        match after_value.strip_prefix(',') {
            Some(next) => rest = next,
            None if after_value.is_empty() => return Ok(pairs),
            None => return Err(malformed()),
        }
    }
}

/// Splits `text` behind its closing quote; resolves `\"` and `\\` before it.
fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => value.push(rest.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => value.push(c),
        }
    }
}

/// Parses a JSON object of strings, keeping a repeated key so that it can be refused.
fn parse_json(text: &str) -> Result<Vec<(String, String)>, TemplateError> {
    struct Pairs(Vec<(String, String)>);

    impl<'de> serde::Deserialize<'de> for Pairs {
        fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
            struct PairsVisitor;

            impl<'de> Visitor<'de> for PairsVisitor {
                type Value = Pairs;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object of strings")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                    let mut pairs = Vec::new();
                    while let Some(pair) = map.next_entry()? {
                        pairs.push(pair);
                    }
                    Ok(Pairs(pairs))
                }
            }

            input.deserialize_map(PairsVisitor)
        }
    }

    match serde_json::from_str::<Pairs>(text) {
        Ok(pairs) => Ok(pairs.0),
        Err(error) => Err(TemplateError::Json { reason: error.to_string() }),
    }
}

/// Why a text is no context template, or does not suit the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// The pairs make no encryption context.
    Context(EncryptionContextError),
    /// Not `k=v,k2=v2`.
    Shorthand {
        /// Byte at which the pair that cannot be read begins.
        at: usize,
    },
    /// Not a JSON object of strings.
    Json {
        /// What the JSON reader found.
        reason: String,
    },
    /// A brace without its partner, or nothing between two.
    Braces {
        /// The whole value.
        value: String,
    },
    /// A column the manifest does not have.
    UnknownColumn {
        /// The name in braces.
        name: String,
        /// What the manifest has.
        columns: Vec<String>,
    },
}

impl From<EncryptionContextError> for TemplateError {
    fn from(error: EncryptionContextError) -> Self {
        Self::Context(error)
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Context(error) => error.fmt(f),
            Self::Shorthand { at } => {
                write!(f, "the encryption context is not k=v,k2=v2 (from character {at} on)")
            }
            Self::Json { reason } => {
                write!(f, "the encryption context is not a JSON object of strings: {reason}")
            }
            Self::Braces { value } => write!(
                f,
                "unpaired brace in the encryption context value {value:?}; \
                 write {{{{ or }}}} for a brace itself"
            ),
            Self::UnknownColumn { name, columns } if columns.is_empty() => write!(
                f,
                "the encryption context names the column {{{name}}}, but there is no manifest; \
                 without one only {{{INDEX_COLUMN}}} can be used"
            ),
            Self::UnknownColumn { name, columns } => write!(
                f,
                "the encryption context names the column {{{name}}}; the manifest has {}",
                columns.join(", ")
            ),
        }
    }
}

impl core::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_rest_are_the_encoding_of_the_filled_context() {
        let columns = ["serial", "lot"].map(str::to_owned);
        let mut rows = Rows::default();
        rows.reset(2);
        rows.push(41, ["SN-1", "7"]);
        rows.push(42, ["SN-0000002", "caf\u{e9}"]);
        let texts =
            ["a=b", "a={serial}", "a=b,c=d", "a=b,c={Index},d=e", "a=x{lot}y{serial},b={lot},c=d"];
        let templates = texts.map(|text| ContextTemplate::parse(text).unwrap());
        for template in templates.iter().chain([&ContextTemplate::default()]) {
            let bound = template.bind(&columns).unwrap();
            for row in 0..2 {
                let (mut whole, mut expected) = (bound.head().to_vec(), Vec::new());
                bound.encode_rest(&rows.row(row), &mut whole);
                bound.fill(&rows.row(row)).unwrap().encode(&mut expected);
                assert_eq!(whole, expected, "{template:?}");
            }
        }
    }
}
