//! The canonical form of a request: what both sides hash.

use std::collections::HashSet;

use hyper::header::{HOST, HeaderName};
use sha2::{Digest, Sha256};

use super::Signed;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::hex::hex;
use crate::kms::target;

/// Headers that decide what is done where, and must therefore be signed.
static MUST_BE_SIGNED: [HeaderName; 2] = [HOST, target::HEADER];

/// Bytes that SHA-256 takes at a time.
const BLOCK_BYTES: usize = 64;

/// Digits of the body's digest, with which a canonical request ends.
const BODY_DIGITS: usize = 64;

/// A list of signed headers, read once for all requests of a client.
#[derive(Debug)]
pub(super) struct SignedHeaders {
    text: Box<str>,
    /// The names in their order, as they were sent and as headers; what is no name cannot be a
    /// header either.
    names: Vec<(Box<str>, Option<HeaderName>)>,
    /// What must be signed and is not.
    unsigned: Vec<&'static HeaderName>,
}

impl SignedHeaders {
    /// Reads names with semicolons between them; none may stand there twice.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let name = |name: &str| (name.into(), HeaderName::from_bytes(name.as_bytes()).ok());
        let is_missing =
            |wanted: &&HeaderName| !text.split(';').any(|name| name == wanted.as_str());
        let names: Vec<(Box<str>, Option<HeaderName>)> = text.split(';').map(name).collect();
        let mut seen = HashSet::new();
        if let Some(name) = names.iter().flat_map(|(_, name)| name).find(|name| !seen.insert(*name))
        {
            return Err(guesses::repeated_header(name.as_str()));
        }
        let unsigned = MUST_BE_SIGNED.iter().filter(is_missing).collect();
        Ok(Self { text: text.into(), names, unsigned })
    }

    /// Whether it was read from `text`.
    pub(super) fn is(&self, text: &str) -> bool {
        *self.text == *text
    }

    /// About how much memory it takes: the text, the names in it, and a place for each.
    pub(super) const fn bytes(&self) -> usize {
        2 * self.text.len() + size_of_val(self.names.as_slice())
    }
}

/// Canonical requests, one after the other, and what the last one began with.
///
/// Unless a client signs an id of each attempt, its requests of one second differ in their bodies
/// only, whose digest comes last.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    /// The one in the making, kept for its room.
    text: Vec<u8>,
    /// Whole blocks in front of the last body's digest.
    start: Vec<u8>,
    /// The hash in the making, behind them.
    behind: Sha256,
}

impl Canonical {
    /// The digest of `request` in its canonical form.
    pub(super) fn digest(
        &mut self,
        request: &Signed<'_>,
        signed_headers: &SignedHeaders,
    ) -> Result<[u8; 32], Error> {
        let Self { text, start, behind } = self;
        text.clear();
        canonical_request(request, signed_headers, text)?;
        let blocks = (text.len() - BODY_DIGITS) / BLOCK_BYTES;
        let (ours, rest) = text.split_at(blocks * BLOCK_BYTES);
        if start != ours {
            start.clear();
            start.extend_from_slice(ours);
            *behind = Sha256::new_with_prefix(ours);
        }
        Ok(behind.clone().chain_update(rest).finalize().into())
    }
}

/// Step 1 of signing: the request in its canonical form, behind `out`.
fn canonical_request(
    request: &Signed<'_>,
    signed_headers: &SignedHeaders,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    for part in [request.method, "\n", request.path, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    canonical_query(request.query.unwrap_or_default(), out);
    out.push(b'\n');
    for (text, name) in &signed_headers.names {
        out.extend_from_slice(text.as_bytes());
        out.push(b':');
        let values = name.iter().flat_map(|name| request.headers.get_all(name));
        for (at, value) in values.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            trimmed(value.as_bytes(), out);
        }
        out.push(b'\n');
    }
    let is_sent = |name: &&&HeaderName| request.headers.contains_key(**name);
    if let Some(name) = signed_headers.unsigned.iter().find(is_sent) {
        return Err(guesses::unsigned_header(name.as_str()));
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.text.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(&hex(&Sha256::digest(request.body).into()));
    Ok(())
}

/// The parameters, sorted, each with its equals sign.
fn canonical_query(query: &str, out: &mut Vec<u8>) {
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        let separator = if at > 0 { "&" } else { "" };
        for part in [separator, name, "=", value] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// A header's value without spaces around it, and with one space where there are several.
fn trimmed(value: &[u8], out: &mut Vec<u8>) {
    let value = value.trim_ascii();
    // Most values have no space at all, which is told sooner than that they have no two.
    if !value.contains(&b' ') || !value.windows(2).any(|pair| pair == b"  ") {
        out.extend_from_slice(value);
        return;
    }
    let mut last = b' ';
    for &byte in value {
        if byte != b' ' || last != b' ' {
            out.push(byte);
        }
        last = byte;
    }
}
