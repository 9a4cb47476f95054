//! The chain of lines: `{...event...,"sequence":17,"chainHash":"9f2c..."}`.
//!
//! The hash of a line is SHA-256 over its own bytes up to `,"chainHash"` and the hash of the line
//! before it (32 bytes, zeros before the first). That hash comes last so that only little of a line
//! must wait for it: the threads that answer have hashed an event by the time it is queued, and what
//! many events begin with was hashed once for all of them.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::kms::hex::{parse_hex, push_hex};

/// What stands before the number of a line.
const SEQUENCE: &[u8] = br#","sequence":"#;
/// What stands before its hash.
const HASH: &[u8] = br#","chainHash":""#;
/// What ends it.
const END: &[u8] = br#""}"#;

/// A place in the chain: behind so many lines, with this hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) lines: u64,
    pub(super) hash: [u8; 32],
}

/// An event on its way to the chain.
#[derive(Clone, Debug)]
pub(super) struct Link<'a> {
    /// A JSON object without its end.
    pub(super) open: &'a [u8],
    /// The hash in the making, behind it.
    pub(super) hash: Sha256,
}

impl<'a> Link<'a> {
    /// A whole JSON object.
    pub(super) fn of(event: &'a [u8]) -> Self {
        let open = event.strip_suffix(b"}").unwrap_or(event);
        Self { open, hash: Sha256::new_with_prefix(open) }
    }
}

impl Chain {
    /// Appends `event` to `out` as the next line.
    pub(super) fn append(&mut self, event: Link<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(event.open);
        let end = out.len();
        out.extend_from_slice(SEQUENCE);
        out.extend_from_slice(self.lines.to_string().as_bytes());
        self.step(event.hash.chain_update(&out[end..]));
        out.extend_from_slice(HASH);
        push_hex(&self.hash, out);
        out.extend_from_slice(END);
        out.push(b'\n');
    }

    /// Goes on over `line`, if it is the next one.
    pub(super) fn follow(&mut self, line: &[u8]) -> Result<(), Break> {
        let Line { covered, sequence, hash } = Line::parse(line).ok_or(Break::Form)?;
        if sequence != self.lines {
            return Err(Break::Sequence { expected: self.lines, found: sequence });
        }
        self.step(Sha256::new_with_prefix(covered));
        if self.hash == hash { Ok(()) } else { Err(Break::Hash) }
    }

    /// The place behind `line`, by its own word.
    pub(super) fn behind(line: &[u8]) -> Option<Self> {
        let Line { sequence, hash, .. } = Line::parse(line)?;
        Some(Self { lines: sequence.checked_add(1)?, hash })
    }

    fn step(&mut self, covered: Sha256) {
        self.hash = covered.chain_update(self.hash).finalize().into();
        self.lines += 1;
    }
}

/// The parts of a line.
struct Line<'a> {
    covered: &'a [u8],
    sequence: u64,
    hash: [u8; 32],
}

impl<'a> Line<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(END)?;
        let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
        let covered = rest.strip_suffix(HASH)?;
        let digits_of_sequence = covered.iter().rev().take_while(|byte| byte.is_ascii_digit());
        let at = covered.len() - digits_of_sequence.count();
        covered[..at].strip_suffix(SEQUENCE)?;
        let sequence = core::str::from_utf8(&covered[at..]).ok()?.parse().ok()?;
        Some(Self { covered, sequence, hash: parse_hex(digits)? })
    }
}

/// Why a line does not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// It does not end as a line of the log does.
    Form,
    /// It has the number of another line.
    Sequence {
        /// The number that comes next.
        expected: u64,
        /// Its own.
        found: u64,
    },
    /// It is not what was written, or follows another line than it did.
    Hash,
    /// It does not open its file as the first line of a file does.
    Opening,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("this is no whole line of an audit log"),
            Self::Sequence { expected, found } if found > expected => {
                write!(f, "this is line {found} of the log, but line {expected} is missing")
            }
            Self::Sequence { expected, found } => {
                write!(f, "this is line {found} of the log, where line {expected} should be")
            }
            Self::Hash => {
                f.write_str("its hash does not fit: it, or what is before it, was changed")
            }
            Self::Opening => f.write_str("it does not open the file where the last one ended"),
        }
    }
}
