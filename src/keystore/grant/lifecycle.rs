//! The life of a grant: made once, taken back once.

use std::sync::Arc;

use super::{Grant, GrantFault, GrantId, GrantTerms, GrantToken};
use crate::keystore::Keystore;
use crate::keystore::error::Error;
use crate::keystore::key::KmsKey;
use crate::keystore::root::random;
use crate::keystore::state::Change;
use crate::limits::GRANTS_PER_KEY_MAX;
use crate::spec::{Action, KeyArn, KeyId, Operation};

impl KmsKey {
    /// Whether a grant of these terms may be made for the key, in the state it is in.
    pub fn check_grant(&self, terms: &GrantTerms) -> Result<(), Error> {
        self.check(Operation::CreateGrant)?;
        if let Some(fault) = terms.fault() {
            return Err(Error::Grant(fault));
        }
        let is_of_no_use = |action: &&Action| !action.suits(self.spec, self.usage);
        match terms.operations.iter().find(is_of_no_use) {
            Some(action) => Err(Error::GrantOperation(self.arn.clone(), *action)),
            None => Ok(()),
        }
    }
}

impl Keystore {
    /// `CreateGrant`: a new grant, or the one of this name and these terms that is there already.
    pub fn create_grant(&mut self, key: &KeyId, terms: GrantTerms) -> Result<GrantId, Error> {
        let key = self.resolve(key)?;
        key.check_grant(&terms)?;
        let (arn, grants) = (key.arn.clone(), self.state.grants_of(&key.arn));
        let named = terms.name.as_ref().and_then(|_| grants.iter().find(|g| g.terms == terms));
        if let Some(grant) = named {
            return Ok(grant.id);
        }
        if grants.iter().len() >= GRANTS_PER_KEY_MAX {
            return Err(Error::GrantLimit(arn));
        }
        let id = GrantId(random()?);
        let grant = Grant { id, key: arn, created: self.now(), terms };
        self.commit(vec![Change::PutGrant(Arc::new(grant))])?;
        Ok(id)
    }

    /// `RevokeGrant` and `RetireGrant`: the grant allows nothing any more. Who may do so is for the
    /// door to ask.
    pub fn remove_grant(&mut self, key: &KeyArn, id: GrantId) -> Result<(), Error> {
        if self.state.grants_of(key).by_id(id).is_none() {
            return Err(Error::GrantNotFound(id.to_string()));
        }
        self.commit(vec![Change::RemoveGrant(key.clone(), id)])
    }
}

/// A new token for a grant.
pub fn new_grant_token(key: &KeyArn, grant: GrantId) -> Result<String, Error> {
    Ok(GrantToken { key: key.id, grant }.encode(random()?))
}

impl From<GrantFault> for Error {
    fn from(fault: GrantFault) -> Self {
        Self::Grant(fault)
    }
}
