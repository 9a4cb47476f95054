//! The signing side: what a client does, with the code that verifies it.

use core::fmt;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use jiff::Timestamp;

use super::{
    ALGORITHM, Canonical, SERVICE, Signed, SignedHeaders, TERMINATOR, X_AMZ_DATE,
    X_AMZ_SECURITY_TOKEN, signature, signing_key,
};
use crate::crypto::kdf::HmacKey;
use crate::kms::hex::hex;
use crate::secret::Secret;
use crate::spec::Region;

/// Signs calls of one access key in one Region.
///
/// The signing key of a day is derived once; a call then costs two passes of SHA-256 and one HMAC.
#[derive(Debug)]
pub struct Signer {
    access_key_id: String,
    secret: Secret<String>,
    session_token: Option<HeaderValue>,
    region: Region,
    today: Option<Today>,
    canonical: Canonical,
}

/// What is the same for all calls of a day.
#[derive(Debug)]
struct Today {
    scope: String,
    key: HmacKey,
}

impl Signer {
    /// Signs for `region` with an access key, which goes with a token if it is a session's.
    pub fn new(
        access_key_id: String,
        secret: Secret<String>,
        session_token: Option<&str>,
        region: Region,
    ) -> Result<Self, UnfitCredential> {
        let session_token = session_token.map(HeaderValue::from_str).transpose();
        let session_token = session_token.map_err(|_| UnfitCredential::SessionToken)?;
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if access_key_id.is_empty() || !access_key_id.bytes().all(is_letter) {
            return Err(UnfitCredential::AccessKeyId);
        }
        let (today, canonical) = Default::default();
        Ok(Self { access_key_id, secret, session_token, region, today, canonical })
    }

    /// Signs a call, `POST /` with `headers` and `body`, as made at `now`: all of the headers, and
    /// those that the signature adds.
    #[expect(clippy::missing_panics_doc, reason = "nothing that must be signed is left out")]
    pub fn sign(&mut self, headers: &mut HeaderMap, body: &[u8], now: Timestamp) {
        let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        headers.remove(AUTHORIZATION);
        headers.insert(X_AMZ_DATE, text_of(&date));
        if let Some(token) = &self.session_token {
            headers.insert(X_AMZ_SECURITY_TOKEN, token.clone());
        }
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let names = names.join(";");
        let request = Signed { method: "POST", path: "/", query: None, headers, body };
        let digest = |names| self.canonical.digest(&request, &names);
        let canonical = SignedHeaders::parse(&names).and_then(digest);
        let canonical = canonical.expect("all headers are signed, each once");
        let Self { access_key_id, secret, region, today, .. } = self;
        if !today.as_ref().is_some_and(|today| today.scope.starts_with(&date[..8])) {
            *today = None;
        }
        let Today { scope, key } =
            today.get_or_insert_with(|| Today::new(&date[..8], region, secret));
        let signature = signature(key, &date, scope, &canonical);
        let signature = hex(signature.expose());
        let signature = core::str::from_utf8(&signature).expect("hex digits");
        let authorization = format!(
            "{ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={names}, \
             Signature={signature}"
        );
        headers.insert(AUTHORIZATION, text_of(&authorization));
    }
}

impl Today {
    fn new(day: &str, region: &Region, secret: &Secret<String>) -> Self {
        let region = region.as_str();
        let scope = format!("{day}/{region}/{SERVICE}/{TERMINATOR}");
        Self { scope, key: signing_key(secret.expose().as_bytes(), day, region, SERVICE) }
    }
}

fn text_of(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("letters, digits and punctuation")
}

/// Why an access key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfitCredential {
    /// It is not made of letters, digits and underscores.
    AccessKeyId,
    /// It cannot stand in a header.
    SessionToken,
}

impl fmt::Display for UnfitCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessKeyId => "an access key id is made of letters, digits and underscores",
            Self::SessionToken => "a session token is one line of plain text",
        })
    }
}

impl core::error::Error for UnfitCredential {}
