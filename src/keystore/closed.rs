//! A keystore whose file is closed, with all it takes to open it again.
//!
//! A long job must not keep other processes from the keystore, nor ask for a passphrase twice.

use core::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::error::Error;
use super::material::SealingKey;
use super::{Keystore, Opener, ScopeOptions};

/// Opens one keystore again and again.
#[derive(Clone)]
pub struct ClosedKeystore {
    opener: Arc<Opener>,
    store_id: [u8; 16],
}

impl Keystore {
    /// What opens this keystore again once it is closed; a root key that was fetched stays at hand.
    #[must_use]
    pub fn closed(&self) -> ClosedKeystore {
        ClosedKeystore { opener: Arc::clone(&self.opener), store_id: self.header.store_id }
    }
}

impl ClosedKeystore {
    /// Opens the file, waiting up to `wait` for another process to close it.
    ///
    /// # Errors
    ///
    /// [`Error::Replaced`] if another keystore lies in its place, or as [`Keystore::open`].
    pub fn open(&self, wait: Duration) -> Result<Keystore, Error> {
        let opener = Arc::clone(&self.opener);
        let keystore = Keystore::open_with(opener, &ScopeOptions::default(), wait)?;
        if keystore.header.store_id == self.store_id {
            Ok(keystore)
        } else {
            Err(Error::Replaced(self.database()))
        }
    }

    /// The key that seals materials, which must have been at hand before.
    pub(super) fn sealing_key(&self) -> Result<&SealingKey, Error> {
        self.opener.sealing.get().ok_or(Error::Resources("root key"))
    }

    /// What time it is for this keystore.
    pub(super) fn now(&self) -> Timestamp {
        self.opener.clock.now()
    }

    /// The file.
    pub(super) fn database(&self) -> PathBuf {
        self.opener.home.database()
    }
}

impl fmt::Debug for ClosedKeystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosedKeystore").field("home", &self.opener.home).finish_non_exhaustive()
    }
}
