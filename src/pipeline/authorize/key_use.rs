//! One use of one key, and the facts of it that policies may ask for.

use core::net::IpAddr;

use jiff::Timestamp;

use super::Caller;
use crate::keystore::policy::{ConditionKey, Fact, Facts};
use crate::keystore::{GrantTerms, ServedKey, Snapshot};
use crate::spec::{Action, EncryptionContext, KeyPairSpec};

/// One use of one key, as a caller asks for it.
#[derive(Clone, Copy, Debug)]
pub struct KeyUse<'a> {
    /// What is to be done.
    pub action: Action,
    /// By whom.
    pub caller: &'a Caller,
    /// On which way the request came.
    pub via: Via<'a>,
    /// With which key, in any form of a `KeyId`; empty if a blob or nothing names it.
    pub key_id: &'a str,
    /// The kind of key pair, for the operations that make one.
    pub spec: Option<KeyPairSpec>,
    /// The encryption context, for the operations that take one.
    pub context: Option<&'a EncryptionContext>,
    /// Grants that may not be known everywhere yet.
    pub grant_tokens: &'a [&'a str],
    /// The grant that is to be made, which another grant allows only if it gives no more itself.
    pub makes: Option<&'a GrantTerms>,
    /// What else of the request has a condition key.
    pub members: &'a [(ConditionKey, Fact<'a>)],
}

/// What is known of a request besides its members.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// The address it came from.
    pub address: IpAddr,
    /// Whether it was encrypted on its way.
    pub is_encrypted: bool,
    /// The client, by its own word.
    pub user_agent: Option<&'a str>,
}

/// The facts of one use.
pub(super) struct UseFacts<'a> {
    pub(super) wanted: &'a KeyUse<'a>,
    pub(super) snapshot: &'a Snapshot,
    /// None where no key is concerned.
    pub(super) key: Option<&'a ServedKey>,
}

impl Facts for UseFacts<'_> {
    fn each(&self, key: &ConditionKey, see: &mut dyn FnMut(Fact<'_>)) {
        match key {
            ConditionKey::EncryptionContext(_)
            | ConditionKey::EncryptionContextKeys
            | ConditionKey::DataKeyPairSpec
            | ConditionKey::RequestAlias => self.request(key, see),
            ConditionKey::GranteePrincipal
            | ConditionKey::RetiringPrincipal
            | ConditionKey::GrantOperations
            | ConditionKey::GrantConstraintType => self.grant(key, see),
            ConditionKey::KeySpec
            | ConditionKey::KeyUsage
            | ConditionKey::KeyOrigin
            | ConditionKey::MultiRegion
            | ConditionKey::MultiRegionKeyType
            | ConditionKey::ResourceAliases
            | ConditionKey::ResourceTag(_)
            | ConditionKey::ResourceAccount => self.key(key, see),
            ConditionKey::CallerAccount
            | ConditionKey::PrincipalAccount
            | ConditionKey::PrincipalArn
            | ConditionKey::PrincipalType
            | ConditionKey::UserName
            | ConditionKey::RequestedRegion => self.caller(key, see),
            ConditionKey::SourceIp => see(Fact::Address(self.wanted.via.address)),
            ConditionKey::SecureTransport => see(Fact::Bool(self.wanted.via.is_encrypted)),
            ConditionKey::UserAgent => {
                self.wanted.via.user_agent.map(Fact::Text).into_iter().for_each(see);
            }
            ConditionKey::CurrentTime | ConditionKey::EpochTime => {
                see(Fact::Time(Timestamp::now().as_second()));
            }
            ConditionKey::GrantIsForAwsResource if self.wanted.makes.is_some() => {
                see(Fact::Bool(false));
            }
            _ => self.members(key, see),
        }
    }
}

impl UseFacts<'_> {
    fn request(&self, key: &ConditionKey, see: &mut dyn FnMut(Fact<'_>)) {
        let pairs = self.wanted.context.into_iter().flat_map(EncryptionContext::iter);
        match key {
            ConditionKey::EncryptionContext(name) => pairs
                .filter(|(key, _)| is_lower_case_of(name, key))
                .for_each(|(_, value)| see(Fact::Text(value))),
            ConditionKey::EncryptionContextKeys => pairs.for_each(|(key, _)| see(Fact::Text(key))),
            ConditionKey::DataKeyPairSpec => {
                self.wanted.spec.into_iter().for_each(|spec| see(Fact::Text(spec.name())));
            }
            _ => {
                let name = self.wanted.key_id.rsplit(':').next().unwrap_or_default();
                name.starts_with("alias/").then(|| see(Fact::Text(name)));
            }
        }
    }

    fn grant(&self, key: &ConditionKey, see: &mut dyn FnMut(Fact<'_>)) {
        let Some(terms) = self.wanted.makes else { return };
        let constraints = &terms.constraints;
        match key {
            ConditionKey::GranteePrincipal => see(Fact::Text(&terms.grantee)),
            ConditionKey::RetiringPrincipal => {
                terms.retiring.iter().for_each(|arn| see(Fact::Text(arn)));
            }
            ConditionKey::GrantOperations => {
                terms.operations.iter().for_each(|action| see(Fact::Text(action.name())));
            }
            _ => {
                constraints.equals.iter().for_each(|_| see(Fact::Text("EncryptionContextEquals")));
                constraints.subset.iter().for_each(|_| see(Fact::Text("EncryptionContextSubset")));
            }
        }
    }

    /// What is known of the key; of one that is to be made, what the request says.
    fn key(&self, key: &ConditionKey, see: &mut dyn FnMut(Fact<'_>)) {
        let Some(record) = self.key.map(ServedKey::record) else { return self.members(key, see) };
        let arn = record.arn();
        match key {
            ConditionKey::KeySpec => see(Fact::Text(&record.spec().to_string())),
            ConditionKey::KeyUsage => see(Fact::Text(&record.usage().to_string())),
            ConditionKey::KeyOrigin => see(Fact::Text(&record.origin().to_string())),
            ConditionKey::MultiRegion => see(Fact::Bool(arn.id.multi_region)),
            ConditionKey::MultiRegionKeyType => {
                record.multi_region_key_type().into_iter().for_each(|kind| see(Fact::Text(kind)));
            }
            ConditionKey::ResourceAliases => self
                .snapshot
                .aliases_in(&arn.scope)
                .filter(|alias| alias.target() == arn)
                .for_each(|alias| see(Fact::Text(alias.name().as_str()))),
            ConditionKey::ResourceTag(name) => record
                .tags()
                .filter(|(tag, _)| is_lower_case_of(name, tag))
                .for_each(|(_, value)| see(Fact::Text(value))),
            _ => see(Fact::Text(arn.scope.account.as_str())),
        }
    }

    fn caller(&self, key: &ConditionKey, see: &mut dyn FnMut(Fact<'_>)) {
        let Caller { principal, scope, .. } = self.wanted.caller;
        let is_root = principal.is_root();
        match key {
            ConditionKey::PrincipalArn => see(Fact::Text(principal.arn())),
            ConditionKey::PrincipalType => {
                see(Fact::Text(if is_root { "Account" } else { "User" }));
            }
            ConditionKey::UserName if is_root => {}
            ConditionKey::UserName => see(Fact::Text(principal.record().name())),
            ConditionKey::RequestedRegion => see(Fact::Text(scope.region.as_str())),
            _ => see(Fact::Text(scope.account.as_str())),
        }
    }

    fn members(&self, key: &ConditionKey, see: &mut dyn FnMut(Fact<'_>)) {
        let members = self.wanted.members.iter();
        members.filter(|(name, _)| name == key).for_each(|(_, fact)| see(*fact));
    }
}

/// Whether `lower` is what `text` is in lower case.
fn is_lower_case_of(lower: &str, text: &str) -> bool {
    text.chars().flat_map(char::to_lowercase).eq(lower.chars())
}
