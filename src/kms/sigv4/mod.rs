//! Signature Version 4 (IAM User Guide, "AWS Signature Version 4 for API requests"), the verifying
//! side: from a signed request to the [`Caller`] who signed it.
//!
//! The signing key depends on the secret, day, Region and service only, and a client's requests begin
//! their `Authorization` alike all day, so each thread remembers both of its [`Client`]s; one request
//! then costs two passes of SHA-256, the second of which begins behind the headers if they are those
//! of the last request, and one HMAC. A client is remembered only after a signature of its was right,
//! and only as long as its principal is the one that is served.
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
use subtle::ConstantTimeEq;

use canonical::{Canonical, SignedHeaders};
pub use sign::{Signer, UnfitCredential};

use super::error::Error;
use super::guesses;
use super::hex::{hex, parse_hex};
use crate::crypto::kdf::HmacKey;
use crate::keystore::{ServedPrincipal, Snapshot};
use crate::limits::{CLIENT_BYTES_MAX, CLOCK_SKEW_SECONDS_MAX, SIGNING_KEYS_MAX};
use crate::pipeline::authorize::Caller;
use crate::secret::Secret;
use crate::spec::Region;
use crate::spec::key_id::Scope;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "kms";
const TERMINATOR: &str = "aws4_request";
/// What stands in front of a signature, and how long one is.
const SIGNATURE: &str = "Signature=";
const SIGNATURE_DIGITS: usize = 64;
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
    clients: HashMap<Box<str>, Rc<Client>>,
    /// Who called last, and will again.
    last: Option<Rc<Client>>,
    canonical: Canonical,
}

/// What the requests of a client have in common for a day, and what follows from it.
#[derive(Debug)]
struct Client {
    /// Their `Authorization` header up to the signature, if it ends with that.
    start: Option<Box<str>>,
    scope: Box<str>,
    signed_headers: SignedHeaders,
    caller: Rc<Caller>,
    key: Rc<HmacKey>,
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
        let (text, date) = (authorization(request)?, date_of(request.headers));
        let token = request.headers.get(X_AMZ_SECURITY_TOKEN);
        let again = date.and_then(|date| Some((self.last_again(snapshot, text)?, date)));
        if let Some(((client, signature), date)) = again {
            check_token(&client.caller.principal, token, now)?;
            self.check(&client, request, date, signature, now)?;
            return Ok(Rc::clone(&client.caller));
        }
        let authorization = Authorization::parse(text, date)?;
        let principal = snapshot.principal(authorization.access_key_id());
        let principal = principal.ok_or_else(unrecognized_client)?;
        check_token(principal, token, now)?;
        let client = self.client(principal, &authorization)?;
        self.check(&client, request, authorization.date, authorization.signature, now)?;
        self.remember(authorization.credential, &client);
        Ok(Rc::clone(&client.caller))
    }

    /// The last client, if `text` is another header of its, and the signature there.
    fn last_again<'t>(&self, snapshot: &Snapshot, text: &'t str) -> Option<(Rc<Client>, &'t str)> {
        let client = self.last.as_ref()?;
        let signature = text.strip_prefix(client.start.as_deref()?)?;
        let principal = &client.caller.principal;
        let current = snapshot.principal(principal.record().access_key_id())?;
        let is_same = signature.len() == SIGNATURE_DIGITS && Arc::ptr_eq(principal, current);
        is_same.then(|| (Rc::clone(client), signature))
    }

    /// The client whose request has such a header.
    fn client(
        &self,
        principal: &Arc<ServedPrincipal>,
        authorization: &Authorization<'_>,
    ) -> Result<Rc<Client>, Error> {
        let known = self.clients.get(authorization.credential);
        match known.filter(|client| Arc::ptr_eq(&client.caller.principal, principal)) {
            Some(client) if client.signed_headers.is(authorization.signed_headers) => {
                Ok(Rc::clone(client))
            }
            Some(client) => Ok(Rc::new(client.with_headers_of(authorization)?)),
            None => Ok(Rc::new(Client::new(principal, authorization)?)),
        }
    }

    /// Checks when and by whom a request was signed.
    fn check(
        &mut self,
        client: &Client,
        request: &Signed<'_>,
        date: &str,
        signature: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        check_date(&client.scope, date, now)?;
        let canonical = self.canonical.digest(request, &client.signed_headers)?;
        let expected = self::signature(&client.key, date, &client.scope, &canonical);
        if is_same(&expected, signature) { Ok(()) } else { Err(does_not_match()) }
    }

    /// Keeps a client for its next request, unless what it signs is too long for that.
    fn remember(&mut self, credential: &str, client: &Rc<Client>) {
        if client.bytes() > CLIENT_BYTES_MAX {
            return;
        }
        if self.clients.get(credential).is_none_or(|known| !Rc::ptr_eq(known, client)) {
            if self.clients.len() >= SIGNING_KEYS_MAX {
                self.clients.clear();
            }
            self.clients.insert(credential.into(), Rc::clone(client));
        }
        self.last = Some(Rc::clone(client));
    }
}

impl Client {
    fn new(
        principal: &Arc<ServedPrincipal>,
        authorization: &Authorization<'_>,
    ) -> Result<Self, Error> {
        let signed_headers = SignedHeaders::parse(authorization.signed_headers)?;
        let credential = Credential::parse(authorization.credential)?;
        let region = credential.region.clone();
        let account = principal.record().account();
        let scope = Scope { partition: region.partition(), region, account };
        let secret = principal.secret().expose();
        let key = signing_key(secret, credential.date, scope.region.as_str(), SERVICE);
        Ok(Self {
            start: authorization.start().map(Box::from),
            scope: authorization.credential[authorization.access_key_id().len() + 1..].into(),
            signed_headers,
            caller: Rc::new(Caller::new(Arc::clone(principal), scope)),
            key: Rc::new(key),
        })
    }

    /// About how much memory its headers take.
    fn bytes(&self) -> usize {
        self.start.as_ref().map_or(0, |start| start.len()) + self.signed_headers.bytes()
    }

    /// The same client, as it signs other headers.
    fn with_headers_of(&self, authorization: &Authorization<'_>) -> Result<Self, Error> {
        Ok(Self {
            start: authorization.start().map(Box::from),
            scope: self.scope.clone(),
            signed_headers: SignedHeaders::parse(authorization.signed_headers)?,
            caller: Rc::clone(&self.caller),
            key: Rc::clone(&self.key),
        })
    }
}

/// The `Authorization` header, which must be the only way in which the request is signed.
fn authorization<'a>(request: &Signed<'a>) -> Result<&'a str, Error> {
    let header = request.headers.get(AUTHORIZATION).ok_or_else(missing_token)?;
    if request.query.is_some_and(|query| query.contains("X-Amz-Algorithm=")) {
        return Err(invalid_signature(
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP \
             header.",
        ));
    }
    header.to_str().map_err(|_| guesses::other_scheme())
}

/// When a request was signed, by its own word.
fn date_of(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok();
    text(&X_AMZ_DATE).or_else(|| text(&DATE))
}

/// The parts of an `Authorization` header, with the date that goes with it.
#[derive(Debug)]
struct Authorization<'a> {
    text: &'a str,
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    date: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(text: &'a str, date: Option<&'a str>) -> Result<Self, Error> {
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
        Ok(Self { text, credential, signed_headers, signature, date })
    }

    fn access_key_id(&self) -> &'a str {
        self.credential.split('/').next().unwrap_or_default()
    }

    /// What stands in front of the signature, if that is all there is behind it, and the only one.
    fn start(&self) -> Option<&'a str> {
        let start = self.text.strip_suffix(self.signature)?;
        let is_only_one = start.find(SIGNATURE) == Some(start.len().checked_sub(SIGNATURE.len())?);
        (is_only_one && self.signature.len() == SIGNATURE_DIGITS).then_some(start)
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
fn signature(key: &HmacKey, date: &str, scope: &str, canonical: &[u8; 32]) -> Secret<[u8; 32]> {
    let digest = hex(canonical);
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
