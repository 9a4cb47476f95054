//! Tags: pairs of text that a key carries, for people and policies to go by.

use core::fmt;
use std::collections::BTreeMap;

use super::Keystore;
use super::error::Error;
use super::key::KmsKey;
use super::state::Change;
use crate::limits::TAGS_PER_KEY_MAX;
use crate::spec::{KeyId, Operation};

/// Why a key cannot be given tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagFault {
    /// Two have the same key.
    Duplicate,
    /// More than a key may have.
    TooMany,
    /// One begins with `aws:`.
    Reserved,
}

impl fmt::Display for TagFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "Duplicate tag keys",
            Self::TooMany => "Too many tags",
            Self::Reserved => "Tags beginning with aws: are reserved",
        })
    }
}

impl KmsKey {
    /// Its tags, by key.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl Keystore {
    /// `TagResource`: adds tags, or gives those that are there another value.
    pub fn tag(&mut self, id: &KeyId, tags: Vec<(String, String)>) -> Result<(), Error> {
        let tags = check_tags(tags)?;
        let mut key = self.resolve(id)?.clone();
        key.check(Operation::TagResource)?;
        key.tags.extend(tags);
        if key.tags.len() > TAGS_PER_KEY_MAX {
            return Err(Error::Tag(TagFault::TooMany));
        }
        self.commit(vec![Change::PutKey(key)])
    }

    /// `UntagResource`: takes tags away; those that are not there are no error.
    pub fn untag(&mut self, id: &KeyId, keys: &[String]) -> Result<(), Error> {
        let mut key = self.resolve(id)?.clone();
        key.check(Operation::UntagResource)?;
        key.tags.retain(|name, _| !keys.contains(name));
        self.commit(vec![Change::PutKey(key)])
    }
}

/// Tags as a key keeps them, if they are ones that a key may be given.
pub(super) fn check_tags(tags: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Error> {
    let count = tags.len();
    let is_reserved = |key: &str| key.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("aws:"));
    let has_reserved = tags.iter().any(|(key, _)| is_reserved(key));
    let tags: BTreeMap<String, String> = tags.into_iter().collect();
    match () {
        () if tags.len() < count => Err(Error::Tag(TagFault::Duplicate)),
        () if count > TAGS_PER_KEY_MAX => Err(Error::Tag(TagFault::TooMany)),
        () if has_reserved => Err(Error::Tag(TagFault::Reserved)),
        () => Ok(tags),
    }
}
