//! Principals: who may call the endpoint, with which access key.
//!
//! The secret access key is needed in the clear to verify a signature, so it cannot be kept as a
//! hash; it is sealed under the root key like key material. It is shown once, when it is made.

use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::policy::{Policy, PolicyError};
use super::root::fill_random;
use super::state::Change;
use super::{Keystore, text};
use crate::limits::{
    ACCESS_KEY_ID_CHARS_MAX, PRINCIPAL_NAME_CHARS_MAX, SECRET_ACCESS_KEY_BYTES_MAX,
    SESSION_TOKEN_CHARS_MAX,
};
use crate::secret::Secret;
use crate::spec::key_id::Scope;
use crate::spec::{Account, Partition};

/// Label of the associated data that a secret access key is sealed with.
const SECRET_AAD: &[u8] = b"keymill/keystore/secret-access-key/v1/";

/// Characters of a random access key id: base32, so that it can be read aloud.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Beginning of the id of an access key that lasts, and of one of a session, as at AWS.
const USER_PREFIX: &str = "AKIA";
const SESSION_PREFIX: &str = "ASIA";

/// How long the access key of a session is remembered after its end, so that it is told apart from
/// one that never was, in hours.
const EXPIRED_HOURS: i64 = 24;

/// A caller of the endpoint, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    pub(super) access_key_id: String,
    pub(super) name: String,
    #[serde(with = "text")]
    pub(super) account: Account,
    #[serde(with = "text")]
    pub(super) partition: Partition,
    #[serde(with = "text")]
    pub(super) created: Timestamp,
    /// Nonce, ciphertext and tag, in base64.
    sealed_secret: String,
    /// What the user may do, as JSON; everything if absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    policy: Option<String>,
    /// Present if the access key is one of a session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    session: Option<Session>,
}

/// What makes an access key a temporary one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The token that goes with every call. It is no secret: the signature does not come from it.
    pub token: String,
    /// When the access key ceases to be of use.
    #[serde(with = "text")]
    pub expires: Timestamp,
}

impl Principal {
    /// The root user of an account, who has no access key.
    pub(super) fn root(scope: &Scope) -> Self {
        Self {
            access_key_id: String::new(),
            name: "root".to_owned(),
            account: scope.account,
            partition: scope.partition,
            created: Timestamp::UNIX_EPOCH,
            sealed_secret: String::new(),
            policy: None,
            session: None,
        }
    }

    /// The public half of its access key.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account it belongs to.
    #[must_use]
    pub fn account(&self) -> Account {
        self.account
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Its identity policy, as JSON; with none it is like one that allows everything.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// The session that its access key belongs to, if it is a temporary one.
    #[must_use]
    pub const fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Whether its session ended so long ago that it is to be forgotten.
    pub(super) fn is_forgotten(&self, now: Timestamp) -> bool {
        let patience = SignedDuration::from_hours(EXPIRED_HOURS);
        let session = self.session.as_ref();
        session.is_some_and(|session| now.duration_since(session.expires) > patience)
    }

    /// Whether it and `other` are access keys of one user.
    fn is_same_user(&self, other: &Self) -> bool {
        self.account == other.account && self.name == other.name
    }

    /// Whether the parts of a record read from disk are what they should be.
    pub(super) fn is_consistent(&self) -> bool {
        self.policy().is_none_or(|text| Policy::of_principal(text).is_ok())
    }

    /// `arn:aws:iam::111122223333:user/name`, as policies and audit events name it.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:{}:iam::{}:user/{}", self.partition, self.account, self.name)
    }
}

/// What `principal create` may be told.
#[derive(Debug, Default)]
pub struct CreatePrincipal {
    /// Name of the user, unique in its account.
    pub name: String,
    /// Its account, if not the keystore's.
    pub account: Option<Account>,
    /// An access key brought along; a random one otherwise.
    pub access_key: Option<AccessKey>,
    /// Its identity policy, as JSON; if none, it may do everything that key policies leave to its
    /// account.
    pub policy: Option<String>,
    /// Makes the access key one of a session.
    pub session: Option<Session>,
}

impl CreatePrincipal {
    /// The first thing that is wrong, whatever else there is in the keystore.
    #[must_use]
    pub fn fault(&self) -> Option<PrincipalFault> {
        let check = || {
            check_name(&self.name)?;
            self.access_key.as_ref().map_or(Ok(()), AccessKey::check)?;
            let policy = self.policy.as_deref().map(Policy::of_principal).transpose();
            policy.map_err(PrincipalFault::Policy)?;
            let is_token = |session: &Session| {
                let bytes = session.token.bytes();
                (1..=SESSION_TOKEN_CHARS_MAX).contains(&bytes.len())
                    && session.token.bytes().all(|b| b.is_ascii_graphic())
            };
            if self.session.as_ref().is_none_or(is_token) {
                Ok(())
            } else {
                Err(PrincipalFault::SessionToken)
            }
        };
        check().err()
    }
}

/// Both halves of an access key.
#[derive(Debug)]
pub struct AccessKey {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: Secret<String>,
}

impl AccessKey {
    /// An access key in AWS's form: `AKIA` and 16 characters, and a secret of 40 (240 bits).
    pub fn random() -> Result<Self, Error> {
        Self::random_with(USER_PREFIX)
    }

    fn random_with(prefix: &str) -> Result<Self, Error> {
        let mut letters = [0_u8; 16];
        fill_random(&mut letters)?;
        let letter = |byte: &u8| char::from(BASE32[usize::from(byte % 32)]);
        let id = [prefix, &letters.iter().map(letter).collect::<String>()].concat();
        let mut bytes = Secret::new([0; 30]);
        fill_random(bytes.expose_mut())?;
        Ok(Self { id, secret: Secret::new(STANDARD.encode(bytes.expose())) })
    }

    fn check(&self) -> Result<(), PrincipalFault> {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = (1..=ACCESS_KEY_ID_CHARS_MAX).contains(&self.id.len());
        if !fits || !self.id.bytes().all(is_letter) {
            return Err(PrincipalFault::AccessKeyId);
        }
        let bytes = self.secret.expose().len();
        let is_text = self.secret.expose().bytes().all(|b| b.is_ascii_graphic());
        if is_text && (1..=SECRET_ACCESS_KEY_BYTES_MAX).contains(&bytes) {
            Ok(())
        } else {
            Err(PrincipalFault::SecretAccessKey)
        }
    }
}

/// Why a principal cannot be made or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalFault {
    /// The name has characters or a length it may not have.
    Name,
    /// The access key id has characters or a length it may not have.
    AccessKeyId,
    /// The secret access key has characters or a length it may not have.
    SecretAccessKey,
    /// The access key id or the name is taken.
    Exists(String),
    /// There is no principal of this access key id or name.
    Missing(String),
    /// The session token has characters or a length it may not have.
    SessionToken,
    /// The identity policy is none that can be understood.
    Policy(PolicyError),
}

impl fmt::Display for PrincipalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                f,
                "a principal's name has 1 to {PRINCIPAL_NAME_CHARS_MAX} letters, digits or \
                 characters of _+=,.@-"
            ),
            Self::AccessKeyId => write!(
                f,
                "an access key id has 1 to {ACCESS_KEY_ID_CHARS_MAX} letters, digits or underscores"
            ),
            Self::SecretAccessKey => write!(
                f,
                "a secret access key has 1 to {SECRET_ACCESS_KEY_BYTES_MAX} printable ASCII \
                 characters without spaces"
            ),
            Self::SessionToken => write!(
                f,
                "a session token has 1 to {SESSION_TOKEN_CHARS_MAX} printable ASCII characters \
                 without spaces"
            ),
            Self::Exists(name) => write!(f, "there is a principal {name} already"),
            Self::Missing(name) => write!(f, "there is no principal {name}"),
            Self::Policy(error) => write!(f, "{error}"),
        }
    }
}

impl Keystore {
    /// Makes a principal; returns it with its access key, whose secret is shown nowhere else.
    pub fn create_principal(
        &mut self,
        wanted: CreatePrincipal,
    ) -> Result<(Principal, AccessKey), Error> {
        let (principal, access_key) = self.new_principal(wanted)?;
        let is_taken = |other: &Principal| {
            other.access_key_id == principal.access_key_id
                || principal.session.is_none() && other.is_same_user(&principal)
        };
        if let Some(other) = self.principals().find(|other| is_taken(other)) {
            return Err(PrincipalFault::Exists(other.arn()).into());
        }
        self.commit(vec![Change::PutPrincipal(principal.clone())])?;
        Ok((principal, access_key))
    }

    /// A second access key of a user, for a while, with the policy that the user has now.
    pub fn create_session(
        &mut self,
        name: &str,
        lasting: SignedDuration,
    ) -> Result<(Principal, AccessKey), Error> {
        let user = self.find_user(name)?;
        let mut token = [0; 96];
        fill_random(&mut token)?;
        let expires = self.now().saturating_add(lasting).unwrap_or(Timestamp::MAX);
        let wanted = CreatePrincipal {
            name: user.name.clone(),
            account: Some(user.account),
            access_key: Some(AccessKey::random_with(SESSION_PREFIX)?),
            policy: user.policy.clone(),
            session: Some(Session { token: STANDARD.encode(token), expires }),
        };
        self.create_principal(wanted)
    }

    /// The record of a principal, whether or not there is room for it.
    pub(super) fn new_principal(
        &self,
        wanted: CreatePrincipal,
    ) -> Result<(Principal, AccessKey), Error> {
        if let Some(fault) = wanted.fault() {
            return Err(fault.into());
        }
        let CreatePrincipal { name, account, access_key, policy, session } = wanted;
        let access_key = access_key.map_or_else(AccessKey::random, Ok)?;
        let account = account.unwrap_or(self.scope.account);
        let aad = associated_data(&access_key.id, account);
        let sealed_secret =
            self.sealing_key()?.seal_bytes(&aad, access_key.secret.expose().as_bytes())?;
        let principal = Principal {
            access_key_id: access_key.id.clone(),
            name,
            account,
            partition: self.scope.partition,
            created: self.now(),
            sealed_secret,
            policy,
            session,
        };
        Ok((principal, access_key))
    }

    /// Every principal, by access key id.
    pub fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.state.principals()
    }

    /// Removes the principal of this access key id, or of this name if only one user has it. With a
    /// user go its sessions.
    pub fn delete_principal(&mut self, name: &str) -> Result<Principal, Error> {
        let by_id = self.principals().find(|principal| principal.access_key_id == name);
        let found = by_id.map_or_else(|| self.find_user(name), Ok)?.clone();
        let goes = |other: &&Principal| {
            other.access_key_id == found.access_key_id
                || found.session.is_none() && other.is_same_user(&found)
        };
        let gone = self.principals().filter(goes).cloned();
        self.commit(gone.map(Change::RemovePrincipal).collect())?;
        Ok(found)
    }

    /// The user of this access key id, or of this name if only one user has it.
    fn find_user(&self, name: &str) -> Result<&Principal, PrincipalFault> {
        let users = || self.principals().filter(|principal| principal.session.is_none());
        let by_name: Vec<_> = users().filter(|user| user.name == name).collect();
        match (users().find(|user| user.access_key_id == name), by_name.as_slice()) {
            (Some(found), _) | (None, &[found]) => Ok(found),
            _ => Err(PrincipalFault::Missing(name.to_owned())),
        }
    }

    /// The secret access key, if the record is whole.
    pub(super) fn open_secret(
        &self,
        principal: &Principal,
    ) -> Result<Option<Secret<Vec<u8>>>, Error> {
        let aad = associated_data(&principal.access_key_id, principal.account);
        Ok(self.sealing_key()?.open_bytes(&aad, &principal.sealed_secret))
    }
}

/// Binds a sealed secret to its access key id, whose characters exclude the separator.
fn associated_data(access_key_id: &str, account: Account) -> Vec<u8> {
    [SECRET_AAD, account.as_str().as_bytes(), b"/", access_key_id.as_bytes()].concat()
}

fn check_name(name: &str) -> Result<(), PrincipalFault> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    let fits = (1..=PRINCIPAL_NAME_CHARS_MAX).contains(&name.len());
    if fits && name.bytes().all(is_allowed) { Ok(()) } else { Err(PrincipalFault::Name) }
}
