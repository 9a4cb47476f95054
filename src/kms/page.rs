//! Lists page by page: `Limit` and `Marker` in, `Truncated` and `NextMarker` out.
//!
//! A list is in the order of its entries' names, and a marker is the name that the last page ended
//! with, in base64. So a walk over all pages shows every entry that is there throughout exactly
//! once, whatever is made or deleted meanwhile.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::error::Error;
use super::guesses;
use super::members::Check;
use super::wire::Text;
use crate::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};

/// Longest marker, in characters (KMS service model).
const MARKER_CHARS_MAX: usize = 1024;

/// Which page is asked for.
#[derive(Debug)]
pub(super) struct PageMembers<'a> {
    limit: usize,
    marker: Option<&'a str>,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    /// Present if there is more.
    pub(super) next_marker: Option<String>,
}

impl<'a> PageMembers<'a> {
    /// Takes in the two members.
    pub(super) fn of(check: &mut Check, limit: Option<i64>, marker: Option<&'a Text<'_>>) -> Self {
        let limit = check.bytes("limit", limit, 1..=PAGE_ENTRIES_MAX);
        let marker = check.text("marker", marker, 1..=MARKER_CHARS_MAX);
        Self { limit: limit.unwrap_or(PAGE_ENTRIES_DEFAULT), marker }
    }

    /// The page of `entries`, which come with their names, in any order.
    pub(super) fn of_entries<T>(
        &self,
        entries: impl Iterator<Item = (String, T)>,
    ) -> Result<Page<T>, Error> {
        let after = self.marker.map(decode).transpose()?;
        let mut rest: Vec<(String, T)> =
            entries.filter(|(name, _)| after.as_ref().is_none_or(|after| name > after)).collect();
        rest.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let is_truncated = rest.len() > self.limit;
        rest.truncate(self.limit);
        let last = rest.last().filter(|_| is_truncated);
        let next_marker = last.map(|(name, _)| BASE64_URL_SAFE_NO_PAD.encode(name));
        Ok(Page { entries: rest.into_iter().map(|(_, entry)| entry).collect(), next_marker })
    }
}

fn decode(marker: &str) -> Result<String, Error> {
    let name = BASE64_URL_SAFE_NO_PAD.decode(marker).ok();
    name.and_then(|name| String::from_utf8(name).ok()).ok_or_else(guesses::invalid_marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_shows_every_entry_once() {
        let names = ["d", "a", "c", "b", "e"];
        for limit in 1..=6 {
            let (mut marker, mut seen) = (None, String::new());
            loop {
                let wanted = PageMembers { limit, marker: marker.as_deref() };
                let entries = names.iter().map(|name| ((*name).to_owned(), *name));
                let page = wanted.of_entries(entries).unwrap();
                assert!(page.entries.len() <= limit);
                seen += &page.entries.concat();
                marker = page.next_marker;
                if marker.is_none() {
                    break;
                }
            }
            assert_eq!(seen, "abcde", "pages of {limit}");
        }
    }

    #[test]
    fn a_marker_of_no_page_is_refused() {
        let wanted = PageMembers { limit: 1, marker: Some("?") };
        let refused = wanted.of_entries(core::iter::empty::<(String, ())>());
        assert_eq!(refused.unwrap_err(), guesses::invalid_marker());
    }
}
