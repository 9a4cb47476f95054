//! Grant tokens: the name of a grant, to be shown before the grant is known everywhere.
//!
//! ```text
//! version 1 | 1: mrk, 0: not | key id 16 | grant id 32 | random 16 | check 8     in base64
//! ```
//!
//! A token is no secret and proves nothing: only the grantee of the grant it names can use it. The
//! check, the head of a SHA-256, tells tokens from other texts.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use super::GrantId;
use crate::spec::ResourceId;

const VERSION: u8 = 1;
const CHECK_LABEL: &[u8] = b"keymill/grant-token/v1/";
const BODY_BYTES: usize = 66;
const CHECK_BYTES: usize = 8;

/// What a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantToken {
    /// The key.
    pub key: ResourceId,
    /// Its grant.
    pub grant: GrantId,
}

impl GrantToken {
    /// The text of one of the tokens of a grant, of which each `random` makes another.
    #[must_use]
    pub fn encode(&self, random: [u8; 16]) -> String {
        let mut token = vec![VERSION, u8::from(self.key.multi_region)];
        token.extend_from_slice(&self.key.bytes);
        token.extend_from_slice(&self.grant.0);
        token.extend_from_slice(&random);
        token.extend_from_slice(&check(&token));
        BASE64_STANDARD.encode(token)
    }

    /// Reads a token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let token = BASE64_STANDARD.decode(text).ok()?;
        let (body, found) = token.split_at_checked(BODY_BYTES)?;
        if found != check(body) || body[0] != VERSION || body[1] > 1 {
            return None;
        }
        let key = ResourceId { bytes: body[2..18].try_into().ok()?, multi_region: body[1] == 1 };
        Some(Self { key, grant: GrantId(body[18..50].try_into().ok()?) })
    }
}

fn check(body: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Sha256::new().chain_update(CHECK_LABEL).chain_update(body).finalize();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&digest[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_grant_and_a_changed_one_none() {
        let key = "mrk-1234abcd12ab34cd56ef1234567890ab".parse().unwrap();
        let token = GrantToken { key, grant: GrantId([7; 32]) };
        let (one, other) = (token.encode([1; 16]), token.encode([2; 16]));
        assert_ne!(one, other);
        assert_eq!(one.len(), 100);
        assert_eq!([&one, &other].map(|text| GrantToken::parse(text)), [Some(token); 2]);
        for at in 0..one.len() {
            let mut changed = one.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(GrantToken::parse(&String::from_utf8(changed).unwrap()), None, "{at}");
        }
        for text in ["", "t", "AAAA", &one[4..], &(one.clone() + "AAAA")] {
            assert_eq!(GrantToken::parse(text), None, "{text}");
        }
    }
}
