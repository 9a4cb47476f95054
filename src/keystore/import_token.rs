//! Import tokens: the private half of a wrapping key on its way to the client and back.
//!
//! The endpoint keeps nothing of an import that has begun: what it needs to end one is in the token,
//! sealed under the keystore, so that an import survives a restart of the endpoint. A token opens for
//! the key that it was made for, and for no other: the key's ARN is associated data.
//!
//! ```text
//!  0  8  the time it ends, in milliseconds since 1970, little-endian
//!  8  1  the wrapping algorithm: its place among all
//!  9     the wrapping private key, PKCS#8
//! ```

use jiff::{SignedDuration, Timestamp};

use super::error::Error;
use super::import::ImportFault;
use super::served::ServedKeystore;
use crate::crypto::key_transport::WrappingAlgorithm;
use crate::limits::IMPORT_TOKEN_HOURS;
use crate::secret::Secret;
use crate::spec::KeyArn;

const AAD_LABEL: &str = "keymill/keystore/import-token/v1/";

/// What it takes to open the material that a client wraps for one key.
#[derive(Debug)]
pub struct ImportToken {
    /// How the material will be wrapped.
    pub algorithm: WrappingAlgorithm,
    /// The private key to unwrap it with, PKCS#8.
    pub private_key: Secret<Vec<u8>>,
}

impl ImportToken {
    fn encode(&self, expires: Timestamp) -> Secret<Vec<u8>> {
        let private_key = self.private_key.expose();
        let mut bytes = Secret::new(Vec::with_capacity(9 + private_key.len()));
        bytes.expose_mut().extend(expires.as_millisecond().to_le_bytes());
        bytes.expose_mut().push(self.algorithm as u8);
        bytes.expose_mut().extend(private_key);
        bytes
    }

    /// The token, and when it ends.
    fn decode(bytes: &[u8]) -> Option<(Self, Timestamp)> {
        let (expires, rest) = bytes.split_first_chunk()?;
        let expires = Timestamp::from_millisecond(i64::from_le_bytes(*expires)).ok()?;
        let (&algorithm, private_key) = rest.split_first()?;
        let algorithm = *WrappingAlgorithm::ALL.get(usize::from(algorithm))?;
        Some((Self { algorithm, private_key: Secret::new(private_key.to_vec()) }, expires))
    }
}

impl ServedKeystore {
    /// Seals a token for an import into `key`; says when it ends.
    pub fn seal_import_token(
        &self,
        key: &KeyArn,
        token: &ImportToken,
    ) -> Result<(Vec<u8>, Timestamp), Error> {
        let life = SignedDuration::from_hours(IMPORT_TOKEN_HOURS);
        let expires = self.now().saturating_add(life).unwrap_or(Timestamp::MAX);
        let bytes = token.encode(expires);
        Ok((self.sealing_key()?.seal_blob(&associated_data(key), bytes.expose())?, expires))
    }

    /// Opens a token that was made for an import into `key` and has not ended.
    pub fn open_import_token(&self, key: &KeyArn, sealed: &[u8]) -> Result<ImportToken, Error> {
        let opened = self.sealing_key()?.open_blob(&associated_data(key), sealed);
        let token = opened.and_then(|token| ImportToken::decode(token.expose()));
        let (token, expires) = token.ok_or(ImportFault::Token)?;
        if expires > self.now() { Ok(token) } else { Err(ImportFault::TokenExpired.into()) }
    }
}

fn associated_data(key: &KeyArn) -> Vec<u8> {
    format!("{AAD_LABEL}{key}").into_bytes()
}
