//! Which partition, Region and account: what was said, filled up with a default.

use super::error::Error;
use crate::spec::key_id::Scope;
use crate::spec::{Account, Partition, Region};

/// Parts of a scope; what is left out comes from a default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeOptions {
    /// The partition; follows from the Region if only that is given.
    pub partition: Option<Partition>,
    /// The Region.
    pub region: Option<Region>,
    /// The account.
    pub account: Option<Account>,
}

impl ScopeOptions {
    /// The scope of a keystore about which nothing is said: `us-east-1`, account `000000000000`.
    ///
    /// # Panics
    ///
    /// Never: the names are constants.
    #[must_use]
    pub fn default_scope() -> Scope {
        Scope {
            partition: Partition::Aws,
            region: "us-east-1".parse().expect("a Region"),
            account: "000000000000".parse().expect("an account"),
        }
    }

    /// Fills up with `default`. A Region implies its partition; a partition that contradicts the
    /// Region is refused.
    pub fn resolve(&self, default: &Scope) -> Result<Scope, Error> {
        let region = self.region.as_ref().unwrap_or(&default.region).clone();
        let partition = self.partition.unwrap_or_else(|| region.partition());
        if partition != region.partition() {
            return Err(Error::PartitionMismatch(region, partition));
        }
        Ok(Scope { partition, region, account: self.account.unwrap_or(default.account) })
    }
}
