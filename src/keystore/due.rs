//! What falls due with time: deletions, rotations, and the end of imported material.
//!
//! It is done when a keystore is opened, and by an endpoint as it happens. A rotation needs the root
//! key; where that is a passphrase which was not given yet, the rotation waits for it.

use jiff::Timestamp;

use super::Keystore;
use super::error::Error;
use super::key::KmsKey;
use super::root::RootRecord;
use super::state::State;

impl Keystore {
    /// Does what is due.
    pub(super) fn catch_up(&mut self) -> Result<(), Error> {
        let purged = self.state.purge(self.now());
        self.commit(purged)?;
        self.begin_deletions()?;
        self.expire_due()?;
        let is_at_hand = matches!(self.header.root, RootRecord::KeyFile);
        if is_at_hand || self.opener.sealing.get().is_some() {
            match self.rotate_due() {
                // Whoever only lists keys can do without the root key.
                Err(Error::RootKeyMissing(_)) => {}
                rotated => rotated?,
            }
        }
        Ok(())
    }
}

impl State {
    /// When something is due next.
    pub(super) fn due_next(&self) -> Option<Timestamp> {
        let dates = |key: &KmsKey| [key.deletion_date(), key.rotates_next(), key.expires_next()];
        self.keys().flat_map(dates).flatten().min()
    }
}
