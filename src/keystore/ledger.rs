//! The ledger of the sealed pools: how far each has been claimed.
//!
//! A pool is a file of numbered records. Whoever wants some raises the number below which all are
//! claimed, and reads them once that is on the disk: a record is given to one process, and to
//! none after it, whatever happens to either file but an older copy of this one. Claims need no
//! root key, since they tell nothing and open nothing.

use core::ops::Range;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::state::Change;
use super::{Keystore, text};
use crate::secret::Secret;
use crate::spec::{KeyPairSpec, PoolId};

/// What was claimed of one pool, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolLedger {
    #[serde(with = "text")]
    id: PoolId,
    #[serde(with = "text")]
    spec: KeyPairSpec,
    #[serde(with = "text")]
    created: Timestamp,
    claimed: u64,
    taken: u64,
    damaged: u64,
}

impl PoolLedger {
    /// Which pool.
    #[must_use]
    pub const fn id(&self) -> PoolId {
        self.id
    }

    /// What it holds.
    #[must_use]
    pub const fn spec(&self) -> KeyPairSpec {
        self.spec
    }

    /// When it was made.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// Every record below this number was claimed.
    #[must_use]
    pub const fn claimed(&self) -> u64 {
        self.claimed
    }

    /// Records of which a pair was reported taken.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Records that were reported not to open.
    #[must_use]
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Claimed records of which nothing was reported: in the hands of a process, or lost with one
    /// that ended before it could say more.
    #[must_use]
    pub const fn unaccounted(&self) -> u64 {
        self.claimed.saturating_sub(self.taken).saturating_sub(self.damaged)
    }

    /// Whether no more is reported than was claimed.
    pub(super) fn is_consistent(&self) -> bool {
        self.taken.checked_add(self.damaged).is_some_and(|reported| reported <= self.claimed)
    }
}

/// What a process wants of a pool, and what became of what it claimed before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Records wanted.
    pub wanted: u64,
    /// Records the pool has, claimed ones counted.
    pub available: u64,
    /// Records of earlier claims that were taken since the last report.
    pub taken: u64,
    /// Records of earlier claims that did not open.
    pub damaged: u64,
}

impl Keystore {
    /// Enters a new pool.
    pub fn add_pool(&mut self, id: PoolId, spec: KeyPairSpec) -> Result<(), Error> {
        let created = self.now();
        let pool = PoolLedger { id, spec, created, claimed: 0, taken: 0, damaged: 0 };
        self.commit(vec![Change::PutPool(pool)])
    }

    /// What is known of a pool.
    pub fn pool(&self, id: PoolId) -> Result<&PoolLedger, Error> {
        self.state.pool(id).ok_or(Error::PoolUnknown(id))
    }

    /// The key that seals the records of a pool.
    pub fn pool_key(&self, id: PoolId) -> Result<Secret<[u8; 32]>, Error> {
        Ok(self.sealing_key()?.pool_key(id))
    }

    /// Claims the next records of a pool: up to as many as are wanted. When this returns, the
    /// claim is on the disk, and the records are the caller's alone.
    pub fn claim(&mut self, id: PoolId, claim: Claim) -> Result<Range<u64>, Error> {
        let mut pool = self.pool(id)?.clone();
        let start = pool.claimed;
        let end = start.saturating_add(claim.wanted).min(claim.available).max(start);
        pool.claimed = end;
        // Never more than was claimed, so that no report can make the ledger contradict itself.
        pool.taken += claim.taken.min(pool.unaccounted());
        pool.damaged += claim.damaged.min(pool.unaccounted());
        if pool != *self.pool(id)? {
            self.commit(vec![Change::PutPool(pool)])?;
        }
        Ok(start..end)
    }
}
