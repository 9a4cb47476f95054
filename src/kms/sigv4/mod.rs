//! Signature Version 4 (IAM User Guide, "AWS Signature Version 4 for API requests"), the verifying
//! side: from a signed request to the [`Caller`] who signed it.
//!
//! The signing key depends on the secret, day, Region and service only, so each thread remembers
//! those of its callers; one request then costs two passes of SHA-256 and one HMAC. A key is
//! remembered only after a signature under it was right, and forgotten with its principal.
//!
//! Everything but the comparison works on what the client sent in the clear. The comparison takes
//! the same time wherever the two signatures differ.

mod canonical;
mod sign;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, DATE, HeaderName, HeaderValue};
use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use canonical::{SignedHeaders, canonical_request};
pub use sign::{Signer, UnfitCredential};

use super::error::Error;
use super::guesses;
use super::hex::{hex, parse_hex};
use crate::crypto::kdf::HmacKey;
use crate::keystore::{ServedPrincipal, Snapshot};
use crate::limits::{CLOCK_SKEW_SECONDS_MAX, SIGNING_KEYS_MAX};
use crate::pipeline::authorize::Caller;
use crate::secret::Secret;
use crate::spec::Region;
use crate::spec::key_id::Scope;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "kms";
const TERMINATOR: &str = "aws4_request";
const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What of a request is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    /// The method, in capitals.
    pub(super) method: &'a str,
    /// The path, URI-encoded as it was sent.
    pub(super) path: &'a str,
    /// What stands behind the question mark.
    pub(super) query: Option<&'a str>,
    /// All headers, signed or not.
    pub(super) headers: &'a HeaderMap,
    /// The body.
    pub(super) body: &'a [u8],
}

/// Verifies signatures; one for each thread.
#[derive(Debug, Default)]
pub(super) struct Verifier {
    /// By the text of the credential: access key id and scope.
    signers: HashMap<Box<str>, KnownSigner>,
    /// Those of the last request; most clients sign the same ones every time.
    signed_headers: SignedHeaders,
    /// The canonical request in the making, kept for its room.
    canonical: Vec<u8>,
}

/// A caller whose signing key is known.
#[derive(Debug)]
struct KnownSigner {
    caller: Rc<Caller>,
    key: HmacKey,
}

impl Verifier {
    /// The caller who signed `request`, if one of `snapshot`'s principals did, not long before or
    /// after `now`.
    pub(super) fn verify(
        &mut self,
        snapshot: &Snapshot,
        request: &Signed<'_>,
        now: Timestamp,
    ) -> Result<Rc<Caller>, Error> {
        let authorization = Authorization::of(request)?;
        let access_key_id = authorization.credential.split('/').next().unwrap_or_default();
        let principal = snapshot.principal(access_key_id);
        let principal = principal.ok_or_else(unrecognized_client)?;
        check_token(principal, request.headers.get(X_AMZ_SECURITY_TOKEN), now)?;
        let Self { signers, signed_headers, canonical } = self;
        let known = signers.get(authorization.credential);
        let known = known.filter(|signer| Arc::ptr_eq(&signer.caller.principal, principal));
        let fresh = match known {
            Some(_) => None,
            None => {
                Some(KnownSigner::new(principal, &Credential::parse(authorization.credential)?))
            }
        };
        let signer = fresh.as_ref().or(known).ok_or_else(unrecognized_client)?;
        let scope = &authorization.credential[access_key_id.len() + 1..];
        check_date(scope, authorization.date, now)?;
        if !signed_headers.is(authorization.signed_headers) {
            *signed_headers = SignedHeaders::parse(authorization.signed_headers);
        }
        canonical_request(request, signed_headers, canonical)?;
        let expected = signature(&signer.key, authorization.date, scope, canonical);
        if !is_same(&expected, authorization.signature) {
            return Err(does_not_match());
        }
        let caller = Rc::clone(&signer.caller);
        if let Some(fresh) = fresh {
            if signers.len() >= SIGNING_KEYS_MAX {
                signers.clear();
            }
            signers.insert(authorization.credential.into(), fresh);
        }
        Ok(caller)
    }
}

impl KnownSigner {
    fn new(principal: &Arc<ServedPrincipal>, credential: &Credential<'_>) -> Self {
        let region = credential.region.clone();
        let account = principal.record().account();
        let scope = Scope { partition: region.partition(), region, account };
        let secret = principal.secret().expose();
        let key = signing_key(secret, credential.date, scope.region.as_str(), SERVICE);
        Self { caller: Rc::new(Caller::new(Arc::clone(principal), scope)), key }
    }
}

/// The parts of an `Authorization` header, with the date that goes with it.
#[derive(Debug)]
struct Authorization<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    date: &'a str,
}

impl<'a> Authorization<'a> {
    fn of(request: &Signed<'a>) -> Result<Self, Error> {
        let header = request.headers.get(AUTHORIZATION).ok_or_else(missing_token)?;
        if request.query.is_some_and(|query| query.contains("X-Amz-Algorithm=")) {
            return Err(invalid_signature(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as \
                 HTTP header.",
            ));
        }
        let text = header.to_str().map_err(|_| guesses::other_scheme())?;
        let parts = text.strip_prefix(ALGORITHM).and_then(|parts| parts.strip_prefix(' '));
        let parts = parts.ok_or_else(guesses::other_scheme)?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for (name, value) in parts.split(',').filter_map(|part| part.trim().split_once('=')) {
            let part = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => continue,
            };
            // Of several, the first counts.
            part.get_or_insert(value);
        }
        let header_text = |name: &HeaderName| request.headers.get(name)?.to_str().ok();
        let date = header_text(&X_AMZ_DATE).or_else(|| header_text(&DATE));
        let (Some(credential), Some(signature), Some(signed_headers), Some(date)) =
            (credential, signature, signed_headers, date)
        else {
            let mut message = String::new();
            for (part, name) in [
                (credential, "Credential"),
                (signature, "Signature"),
                (signed_headers, "SignedHeaders"),
            ] {
                if part.is_none() {
                    message += &format!("Authorization header requires '{name}' parameter. ");
                }
            }
            if date.is_none() {
                message += "Authorization header requires existence of either a 'X-Amz-Date' or a \
                            'Date' header. ";
            }
            message += &format!("Authorization={text}");
            return Err(Error::new("IncompleteSignatureException", message));
        };
        Ok(Self { credential, signed_headers, signature, date })
    }
}

/// The parts of a `Credential`.
#[derive(Debug)]
struct Credential<'a> {
    date: &'a str,
    region: Region,
}

impl<'a> Credential<'a> {
    fn parse(text: &'a str) -> Result<Self, Error> {
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or_else(|| guesses::credential_form(text));
        let (_, date, region, service, end) = (next()?, next()?, next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(guesses::credential_form(text));
        }
        if end != TERMINATOR {
            return Err(guesses::scope_end(end));
        }
        if service != SERVICE {
            let message = format!("Credential should be scoped to correct service: '{SERVICE}'.");
            return Err(Error::new("InvalidSignatureException", message));
        }
        let region = region.parse().map_err(|_| {
            let message = format!("Credential should be scoped to a valid region, not '{region}'.");
            Error::new("InvalidSignatureException", message)
        })?;
        Ok(Self { date, region })
    }
}

/// The Region that a request names in its credential, whether or not it is signed rightly.
pub(super) fn region_of(headers: &HeaderMap) -> Option<Region> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = text.split_once("Credential=")?;
    credential.split('/').nth(2)?.parse().ok()
}

/// Checks that the access key of a session comes with its token and before its end, and that no
/// other comes with one.
fn check_token(
    principal: &ServedPrincipal,
    token: Option<&HeaderValue>,
    now: Timestamp,
) -> Result<(), Error> {
    match (principal.record().session(), token) {
        (None, None) => Ok(()),
        (Some(session), Some(token)) if session.token.as_bytes() == token.as_bytes() => {
            if now < session.expires { Ok(()) } else { Err(expired_token()) }
        }
        _ => Err(unrecognized_client()),
    }
}

/// Checks that the request was signed about now, and on the day of its scope.
fn check_date(scope: &str, text: &str, now: Timestamp) -> Result<(), Error> {
    let date = parse_date(text).ok_or_else(|| guesses::date_form(text))?;
    let day = scope.split('/').next().unwrap_or_default();
    if !text.starts_with(day) || day.len() != 8 {
        return Err(guesses::scope_date(day, text));
    }
    let skew = SignedDuration::from_secs(CLOCK_SKEW_SECONDS_MAX);
    let minutes = CLOCK_SKEW_SECONDS_MAX / 60;
    let (earliest, latest) = (now - skew, now + skew);
    let shown = |time: Timestamp| time.strftime("%Y%m%dT%H%M%SZ").to_string();
    if date < earliest {
        let (earliest, now) = (shown(earliest), shown(now));
        return Err(invalid_signature(format!(
            "Signature expired: {text} is now earlier than {earliest} ({now} - {minutes} min.)"
        )));
    }
    if date > latest {
        let (latest, now) = (shown(latest), shown(now));
        return Err(invalid_signature(format!(
            "Signature not yet current: {text} is still later than {latest} ({now} + {minutes} min.)"
        )));
    }
    Ok(())
}

/// `20261124T001433Z`.
fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.as_bytes();
    let is_form = text.len() == 16 && text[8] == b'T' && text[15] == b'Z';
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0_i16, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0'))
        })
    };
    let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
    let time = is_form.then(|| {
        let (year, month, day) = (number(0, 4)?, small(4)?, small(6)?);
        DateTime::new(year, month, day, small(9)?, small(11)?, small(13)?, 0).ok()
    });
    Offset::UTC.to_timestamp(time??).ok()
}

/// Step 3 of signing: the key for a day, a Region and a service.
fn signing_key(secret: &[u8], date: &str, region: &str, service: &str) -> HmacKey {
    let first = Secret::new([b"AWS4", secret].concat());
    [date, region, service, TERMINATOR].iter().fold(HmacKey::new(first.expose()), |key, part| {
        HmacKey::new(key.tag(&[part.as_bytes()]).expose())
    })
}

/// Steps 2 and 4 of signing: the string to sign, and its signature.
fn signature(key: &HmacKey, date: &str, scope: &str, canonical: &[u8]) -> Secret<[u8; 32]> {
    let digest = hex(&Sha256::digest(canonical).into());
    let [algorithm, date, scope, end] = [ALGORITHM, date, scope, "\n"].map(str::as_bytes);
    key.tag(&[algorithm, end, date, end, scope, end, &digest])
}

/// Whether `digits` are `expected` in hex. They are the client's and public, the time of reading
/// them too; the comparison is of four words, and takes as long wherever they differ.
fn is_same(expected: &Secret<[u8; 32]>, digits: &str) -> bool {
    let words = |bytes: &[u8; 32]| {
        let (words, _) = bytes.as_chunks();
        [0, 1, 2, 3].map(|at| u64::from_ne_bytes(words[at]))
    };
    let signed = parse_hex(digits.as_bytes());
    signed.is_some_and(|signed| words(&signed).as_slice().ct_eq(&words(expected.expose())).into())
}

fn missing_token() -> Error {
    Error::new("MissingAuthenticationTokenException", "Missing Authentication Token")
}

fn unrecognized_client() -> Error {
    let message = "The security token included in the request is invalid.";
    Error::new("UnrecognizedClientException", message)
}

fn expired_token() -> Error {
    Error::new("ExpiredTokenException", "The security token included in the request is expired")
}

fn invalid_signature(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new("InvalidSignatureException", message)
}

fn does_not_match() -> Error {
    invalid_signature(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details.",
    )
}
