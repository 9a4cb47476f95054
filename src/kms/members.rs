//! What members may hold: the constraints of the service model, and the texts of their breach.
//!
//! The service's validator looks at all members and reports every fault at once:
//!
//! ```text
//! 2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not
//! be null; Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater
//! than or equal to 1
//! ```
//!
//! So a [`Check`] takes in one member after the other, and says at its [`end`](Check::end) whether
//! they will do.

use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::error::Error;
use super::guesses;
use super::wire::{Pairs, Text};
use crate::limits::{
    ALIAS_NAME_CHARS_MAX, CIPHERTEXT_BYTES_MAX, GRANT_TOKEN_CHARS_MAX, GRANT_TOKENS_MAX,
    KEY_ID_CHARS_MAX, REGION_CHARS_MAX,
};
use crate::spec::{EncryptionContext, Region};

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Check {
    faults: Vec<String>,
    /// Whether a blob is no base64, which is a matter of form and comes first.
    is_malformed: bool,
    /// Whether an encryption context is not acceptable, which comes last.
    is_context_bad: bool,
}

impl Check {
    /// All faults, or `values` if there is none.
    ///
    /// A required member that is absent is a fault, and its value `None`: callers zip what they
    /// require, so that the values are there exactly if there is no fault.
    pub(super) fn end<T>(self, values: Option<T>) -> Result<T, Error> {
        if self.is_malformed {
            return Err(guesses::serialization());
        }
        match (self.faults.as_slice(), values) {
            ([], _) if self.is_context_bad => Err(Error::validation(guesses::INVALID_CONTEXT)),
            ([], Some(values)) => Ok(values),
            ([], None) => Err(Error::internal()),
            ([one], _) => Err(Error::validation(format!("1 validation error detected: {one}"))),
            (many, _) => {
                let (count, all) = (many.len(), many.join("; "));
                Err(Error::validation(format!("{count} validation errors detected: {all}")))
            }
        }
    }

    /// A member that must be there.
    pub(super) fn required<T>(&mut self, member: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.fault("Value null", member, "not be null");
        }
        value
    }

    /// A text with a length, in characters.
    pub(super) fn text<'t>(
        &mut self,
        member: &str,
        text: Option<&'t Text<'_>>,
        chars: RangeInclusive<usize>,
    ) -> Option<&'t str> {
        let text = &*text?.0;
        self.length(&format_args!("Value '{text}'"), member, text.chars().count(), chars);
        Some(text)
    }

    /// A `KeyId`, by length only: its form is a matter of finding the key.
    pub(super) fn key_id<'t>(
        &mut self,
        member: &str,
        text: Option<&'t Text<'_>>,
    ) -> Option<&'t str> {
        self.text(member, text, 1..=KEY_ID_CHARS_MAX)
    }

    /// A text with a length, in characters, of which only those that `is_allowed` says may be in
    /// it; `pattern` says the same to the client.
    pub(super) fn pattern<'t>(
        &mut self,
        member: &str,
        text: Option<&'t Text<'_>>,
        chars: RangeInclusive<usize>,
        (pattern, is_allowed): (&str, fn(char) -> bool),
    ) -> Option<&'t str> {
        let text = self.text(member, text, chars)?;
        if !text.is_empty() && !text.chars().all(is_allowed) {
            let rule = format!("satisfy regular expression pattern: {pattern}");
            self.fault(format_args!("Value '{text}'"), member, &rule);
        }
        Some(text)
    }

    /// `AliasName`; that it starts with `alias/` is a matter of its own.
    pub(super) fn alias_name<'t>(
        &mut self,
        member: &str,
        text: Option<&'t Text<'_>>,
    ) -> Option<&'t str> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ":/_-".contains(c);
        let pattern = ("^[a-zA-Z0-9:/_-]+$", is_allowed as fn(char) -> bool);
        self.pattern(member, text, 1..=ALIAS_NAME_CHARS_MAX, pattern)
    }

    /// One of the names of an enum.
    pub(super) fn name_of(
        &mut self,
        member: &str,
        text: Option<&Text<'_>>,
        names: &[&'static str],
    ) -> Option<&'static str> {
        let text = &*text?.0;
        let found = names.iter().find(|name| **name == text);
        if found.is_none() {
            let rule = format!("satisfy enum value set: [{}]", names.join(", "));
            self.fault(format_args!("Value '{text}'"), member, &rule);
        }
        found.copied()
    }

    /// A Region, by its form.
    pub(super) fn region(&mut self, member: &str, text: Option<&Text<'_>>) -> Option<Region> {
        let text = self.text(member, text, 1..=REGION_CHARS_MAX)?;
        let region = text.parse();
        if region.is_err() && (1..=REGION_CHARS_MAX).contains(&text.chars().count()) {
            let rule = "satisfy regular expression pattern: ^([a-z]+-){2,3}\\d+$";
            self.fault(format_args!("Value '{text}'"), member, rule);
        }
        region.ok()
    }

    /// One of the values of an enum, whose names are `names`.
    pub(super) fn one_of<T: FromStr>(
        &mut self,
        member: &str,
        text: Option<&Text<'_>>,
        names: &[&'static str],
    ) -> Option<T> {
        self.name_of(member, text, names)?.parse().ok()
    }

    /// A number within bounds.
    pub(super) fn number(
        &mut self,
        member: &str,
        number: Option<i64>,
        bounds: RangeInclusive<i64>,
    ) -> Option<i64> {
        let number = number?;
        let value = format!("Value '{number}'");
        if number < *bounds.start() {
            let rule = format!("have value greater than or equal to {}", bounds.start());
            self.fault(&value, member, &rule);
        } else if number > *bounds.end() {
            let rule = format!("have value less than or equal to {}", bounds.end());
            self.fault(&value, member, &rule);
        }
        Some(number)
    }

    /// A number of bytes within bounds.
    pub(super) fn bytes(
        &mut self,
        member: &str,
        number: Option<i64>,
        bounds: RangeInclusive<usize>,
    ) -> Option<usize> {
        let bound = |bytes: &usize| i64::try_from(*bytes).unwrap_or(i64::MAX);
        let bounds = bound(bounds.start())..=bound(bounds.end());
        self.number(member, number, bounds).and_then(|number| usize::try_from(number).ok())
    }

    /// A blob with a length, in bytes. Its value is never shown.
    pub(super) fn blob(
        &mut self,
        member: &str,
        base64: Option<&Text<'_>>,
        bytes: RangeInclusive<usize>,
    ) -> Option<Vec<u8>> {
        let Ok(blob) = BASE64_STANDARD.decode(base64?.0.as_bytes()) else {
            self.is_malformed = true;
            return None;
        };
        self.length(&"Value", member, blob.len(), bytes);
        Some(blob)
    }

    /// A ciphertext blob.
    pub(super) fn ciphertext(
        &mut self,
        member: &str,
        base64: Option<&Text<'_>>,
    ) -> Option<Vec<u8>> {
        self.blob(member, base64, 1..=CIPHERTEXT_BYTES_MAX)
    }

    /// `DryRunModifiers`: whether a dry run is to look at permissions only.
    pub(super) fn ignores_ciphertext(&mut self, modifiers: Option<&[Text<'_>]>) -> bool {
        let modifiers = modifiers.unwrap_or_default();
        for (at, modifier) in modifiers.iter().enumerate() {
            let member = format!("dryRunModifiers.{}.member", at + 1);
            self.name_of(&member, Some(modifier), &["IGNORE_CIPHERTEXT"]);
        }
        !modifiers.is_empty()
    }

    /// `GrantTokens`.
    pub(super) fn grant_tokens<'t>(&mut self, tokens: Option<&'t [Text<'_>]>) -> Vec<&'t str> {
        let tokens = tokens.unwrap_or_default();
        if tokens.len() > GRANT_TOKENS_MAX {
            let all: Vec<&str> = tokens.iter().map(|token| &*token.0).collect();
            let value = format!("Value '[{}]'", all.join(", "));
            let rule = format!("have length less than or equal to {GRANT_TOKENS_MAX}");
            self.fault(&value, "grantTokens", &rule);
        }
        let tokens = tokens.iter().enumerate().map(|(at, token)| {
            let token = &*token.0;
            let member = format!("grantTokens.{}.member", at + 1);
            let value = format_args!("Value '{token}'");
            self.length(&value, &member, token.chars().count(), 1..=GRANT_TOKEN_CHARS_MAX);
            token
        });
        tokens.collect()
    }

    /// An encryption context; none is an empty one.
    pub(super) fn context(&mut self, pairs: Option<Pairs>) -> EncryptionContext {
        let Some(Pairs(pairs)) = pairs else { return EncryptionContext::default() };
        let context = EncryptionContext::from_pairs(pairs);
        self.is_context_bad |= context.is_err();
        context.unwrap_or_default()
    }

    fn length(
        &mut self,
        value: &dyn fmt::Display,
        member: &str,
        length: usize,
        bounds: RangeInclusive<usize>,
    ) {
        if length < *bounds.start() {
            let rule = format!("have length greater than or equal to {}", bounds.start());
            self.fault(value, member, &rule);
        } else if length > *bounds.end() {
            let rule = format!("have length less than or equal to {}", bounds.end());
            self.fault(value, member, &rule);
        }
    }

    fn fault(&mut self, value: impl fmt::Display, member: &str, rule: &str) {
        let fault =
            format!("{value} at '{member}' failed to satisfy constraint: Member must {rule}");
        self.faults.push(fault);
    }
}
