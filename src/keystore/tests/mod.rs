//! The keystore as its callers see it.

mod alias;
mod damage;
mod files;
mod import;
mod key_secret;
mod ledger;
mod lifecycle;
mod multi_region;
mod rotation;
mod seed;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Clock, CreateKey, Error, Keystore, OpenOptions, Origin, PassphraseCost, Unlock};
use crate::secret::Secret;
use crate::spec::KeyId;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A clock that stands still until it is moved.
#[derive(Clone)]
struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_795_000_000)))
    }

    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

fn options(clock: &ManualClock) -> OpenOptions {
    OpenOptions { clock: Arc::new(clock.clone()), wait: Duration::ZERO, ..OpenOptions::default() }
}

fn with_passphrase(passphrase: &str) -> OpenOptions {
    OpenOptions {
        unlock: Unlock::Passphrase(Secret::new(passphrase.to_owned())),
        passphrase_cost: PassphraseCost { memory_kib: 8, passes: 1, lanes: 1 },
        wait: Duration::ZERO,
        ..OpenOptions::default()
    }
}

/// A new keystore in a directory of its own.
fn fresh() -> (TempDir, ManualClock, Keystore) {
    let home = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let keystore = Keystore::init(home.path(), options(&clock)).unwrap();
    (home, clock, keystore)
}

/// Opens by a clock that stands: by the real one, a date that a test set passes some day.
fn open(home: &Path) -> Result<Keystore, Error> {
    Keystore::open(home, options(&ManualClock::new()))
}

fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

fn default_key() -> KeyId {
    id("alias/default")
}

/// A new key, named by its ARN.
fn new_key(keystore: &mut Keystore, origin: Origin) -> KeyId {
    let options = CreateKey { origin, ..CreateKey::default() };
    id(&keystore.create_key(&options).unwrap().arn)
}

/// The exception and the text AWS would answer, with the ARN of `key` shortened to `ARN`.
fn refusal<T>(outcome: Result<T, Error>, key: &KeyId) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            let text = error.to_string().replace(&key.to_string(), "ARN");
            format!("{}: {text}", error.aws_name().unwrap_or("-"))
        }
    }
}
