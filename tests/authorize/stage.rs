//! A keystore with one key and two users, whose policies and grants are what a test wants.

use std::sync::Arc;

use keymill::keystore::{
    AccessKey, CreateKey, CreatePrincipal, GrantTerms, Keystore, OpenOptions, ScopeOptions,
    ServedKeystore, ServedPrincipal,
};
use keymill::pipeline::authorize::{Caller, KeyUse, Via};
use keymill::secret::Secret;
use keymill::spec::key_id::Scope;
use keymill::spec::{Action, KeyId};
use tempfile::TempDir;

pub const ACCOUNT: &str = "111122223333";
pub const FOREIGN: &str = "444455556666";

/// A keystore behind an endpoint that is not there.
pub struct Stage {
    pub keystore: ServedKeystore,
    pub scope: Scope,
    _home: TempDir,
}

impl Stage {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let account = Some(ACCOUNT.parse().unwrap());
        let scope = ScopeOptions { account, ..ScopeOptions::default() };
        let options = OpenOptions { scope, ..OpenOptions::default() };
        let keystore = Keystore::init(home.path(), options).unwrap();
        let scope = keystore.scope().clone();
        Self { keystore: ServedKeystore::new(keystore).unwrap(), scope, _home: home }
    }

    /// A new key, by its ARN.
    pub fn key(&self, policy: Option<String>) -> KeyId {
        let options = CreateKey { policy, ..CreateKey::default() };
        let made = self.keystore.change(&self.scope, |keystore| keystore.create_key(&options));
        made.unwrap().arn.parse().unwrap()
    }

    pub fn grant(&self, key: &KeyId, terms: GrantTerms) {
        let made = self.keystore.change(&self.scope, |keystore| keystore.create_grant(key, terms));
        made.unwrap();
    }

    /// A caller of this name, made anew with this policy.
    pub fn caller(&self, name: &str, account: &str, policy: Option<String>) -> Caller {
        let account = account.parse().unwrap();
        let id = format!("AKID{}", name.to_uppercase());
        let access_key = AccessKey { id: id.clone(), secret: Secret::new("secret".to_owned()) };
        let made = self.keystore.change(&self.scope, |keystore| {
            let _ = keystore.delete_principal(&id);
            keystore.create_principal(CreatePrincipal {
                name: name.to_owned(),
                account: Some(account),
                access_key: Some(access_key),
                policy,
                session: None,
            })
        });
        made.unwrap();
        let principal = Arc::clone(self.keystore.snapshot().principal(&id).unwrap());
        Caller::new(principal, Scope { account, ..self.scope.clone() })
    }

    /// The root user of the key's account.
    pub fn root(&self) -> Caller {
        Caller::new(Arc::new(ServedPrincipal::root(&self.scope)), self.scope.clone())
    }
}

/// A use without anything that some operations have and others have not.
pub fn use_of<'a>(action: Action, caller: &'a Caller, key_id: &'a str) -> KeyUse<'a> {
    let address = "192.0.2.77".parse().unwrap();
    let via = Via { address, is_encrypted: false, user_agent: None };
    KeyUse {
        action,
        caller,
        via,
        key_id,
        spec: None,
        context: None,
        grant_tokens: &[],
        makes: None,
        members: &[],
    }
}
