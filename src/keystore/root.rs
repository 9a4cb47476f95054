//! The root key: 32 bytes from a key file or from a passphrase, never stored in the database.
//!
//! The key file is 56 bytes: magic, version, key and checksum, so that a cut or foreign file is
//! told apart from the root key of another keystore.
//!
//! ```text
//!  0  16  "keymill-root-key"
//! 16   4  version, 1, little-endian
//! 20  32  the root key
//! 52   4  CRC-32C of the bytes before, little-endian
//! ```
//!
//! A passphrase becomes a root key by argon2id (RFC 9106). Either way the database holds a check
//! value derived from the root key, which tells a wrong key from a damaged store and says nothing
//! about the key itself: the derivation is a pseudorandom function.

use core::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::error::Error;
use super::home::{CreationLock, Home};
use crate::crypto::kdf::kbkdf_hmac_sha256;
use crate::secret::Secret;

const FILE_MAGIC: &[u8; 16] = b"keymill-root-key";
const FILE_VERSION: u32 = 1;
const FILE_BYTES: usize = 56;

const CHECK_LABEL: &[u8] = b"keymill/keystore/root-check/v1";

/// How the root key is had.
#[derive(Default)]
#[non_exhaustive]
pub enum Unlock {
    /// From the key file. A keystore that wants a passphrase is refused.
    #[default]
    KeyFile,
    /// From this passphrase. A keystore that has a key file is refused.
    Passphrase(Secret<String>),
    /// From whichever the keystore wants: the function is called when a passphrase is needed, and
    /// only then. A new keystore gets a key file.
    Ask(Ask),
}

/// Asks for a passphrase, say on the terminal.
pub type Ask = Box<dyn Fn() -> io::Result<Secret<String>> + Send + Sync>;

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyFile => "KeyFile",
            Self::Passphrase(_) => "Passphrase(..)",
            Self::Ask(_) => "Ask(..)",
        })
    }
}

/// What argon2id costs whoever tries a passphrase. Stored with the keystore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassphraseCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes of memory that could be filled in parallel.
    pub lanes: u32,
}

impl PassphraseCost {
    /// 64 MiB, three passes, one lane: the second choice of RFC 9106 on a small machine.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// The most a stored keystore may ask for, so that a damaged one cannot ask for terabytes.
    pub const MAX: Self = Self { memory_kib: 1024 * 1024, passes: 64, lanes: 16 };

    fn params(self) -> Option<Params> {
        let max = Self::MAX;
        let bounded = self.memory_kib <= max.memory_kib
            && self.passes <= max.passes
            && self.lanes <= max.lanes;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).ok();
        params.filter(|_| bounded)
    }
}

impl Default for PassphraseCost {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Where the root key of a keystore comes from, as its header says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum RootRecord {
    KeyFile,
    Passphrase {
        #[serde(with = "super::text::bytes")]
        salt: [u8; 16],
        cost: PassphraseCost,
    },
}

impl RootRecord {
    /// Whether the parameters are ones this program would have written.
    pub(super) fn is_sane(&self) -> bool {
        match self {
            Self::KeyFile => true,
            Self::Passphrase { cost, .. } => cost.params().is_some(),
        }
    }
}

/// The key everything else is derived from.
pub(super) struct RootKey(pub(super) Secret<[u8; 32]>);

impl RootKey {
    /// Makes the root key of a new keystore, or takes the key file an earlier creation left.
    pub(super) fn create(
        home: &Home,
        unlock: &Unlock,
        cost: PassphraseCost,
        lock: &CreationLock,
    ) -> Result<(RootRecord, Self), Error> {
        if let Unlock::Passphrase(passphrase) = unlock {
            if passphrase.expose().is_empty() {
                return Err(Error::PassphraseEmpty);
            }
            let salt = random()?;
            let key = Self::from_passphrase(passphrase, &salt, cost)?;
            return Ok((RootRecord::Passphrase { salt, cost }, key));
        }
        let path = home.root_key();
        match Self::read_file(&path) {
            Err(Error::RootKeyMissing(_)) => {}
            read => return Ok((RootRecord::KeyFile, read?)),
        }
        let mut key = Secret::new([0; 32]);
        fill_random(key.expose_mut())?;
        home.write_root_key(encode_file(&key).expose(), lock)?;
        Ok((RootRecord::KeyFile, Self(key)))
    }

    /// Gets the root key the header of a keystore asks for, and checks that it is the right one.
    pub(super) fn unlock(
        home: &Home,
        unlock: &Unlock,
        record: &RootRecord,
        store_id: &[u8; 16],
        check: &[u8; 32],
    ) -> Result<Self, Error> {
        let (key, wrong) = match record {
            RootRecord::KeyFile if matches!(unlock, Unlock::Passphrase(_)) => {
                return Err(Error::PassphraseUnused(home.database()));
            }
            RootRecord::KeyFile => {
                (Self::read_file(&home.root_key())?, Error::WrongRootKey(home.root_key()))
            }
            RootRecord::Passphrase { salt, cost } => {
                let asked;
                let passphrase = match unlock {
                    Unlock::KeyFile => return Err(Error::PassphraseNeeded(home.database())),
                    Unlock::Passphrase(passphrase) => passphrase,
                    Unlock::Ask(ask) => {
                        asked = ask().map_err(Error::PassphraseUnread)?;
                        &asked
                    }
                };
                (Self::from_passphrase(passphrase, salt, *cost)?, Error::WrongPassphrase)
            }
        };
        let matches = key.check_value(store_id).ct_eq(check);
        if bool::from(matches) { Ok(key) } else { Err(wrong) }
    }

    /// The value by which the right root key is known.
    pub(super) fn check_value(&self, store_id: &[u8; 16]) -> [u8; 32] {
        *kbkdf_hmac_sha256(self.0.expose(), CHECK_LABEL, store_id).expose()
    }

    fn from_passphrase(
        passphrase: &Secret<String>,
        salt: &[u8; 16],
        cost: PassphraseCost,
    ) -> Result<Self, Error> {
        let params = cost.params().ok_or(Error::Resources("memory for such a passphrase cost"))?;
        let mut key = Secret::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose().as_bytes(), salt, key.expose_mut())
            .map_err(|_| Error::Resources("memory for the passphrase function"))?;
        Ok(Self(key))
    }

    fn read_file(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::RootKeyMissing(path.to_owned()),
            _ => Error::io("open", path)(source),
        })?;
        // One byte more than a root key has, so that a longer file is seen and never read whole;
        // room for all from the start, so that no copy is left behind by growing.
        let mut bytes = Secret::new(Vec::with_capacity(2 * FILE_BYTES));
        let read = file.take(FILE_BYTES as u64 + 1).read_to_end(bytes.expose_mut());
        read.map_err(Error::io("read", path))?;
        decode_file(&bytes).ok_or_else(|| Error::RootKeyDamaged(path.to_owned()))
    }
}

fn encode_file(key: &Secret<[u8; 32]>) -> Secret<[u8; FILE_BYTES]> {
    let mut file = Secret::new([0; FILE_BYTES]);
    let bytes = file.expose_mut();
    bytes[..16].copy_from_slice(FILE_MAGIC);
    bytes[16..20].copy_from_slice(&FILE_VERSION.to_le_bytes());
    bytes[20..52].copy_from_slice(key.expose());
    let checksum = crc32c::crc32c(&bytes[..52]);
    bytes[52..].copy_from_slice(&checksum.to_le_bytes());
    file
}

fn decode_file(file: &Secret<Vec<u8>>) -> Option<RootKey> {
    let bytes: &[u8; FILE_BYTES] = file.expose().as_slice().try_into().ok()?;
    let mut key = Secret::new([0; 32]);
    key.expose_mut().copy_from_slice(&bytes[20..52]);
    // Compared whole with what would have been written for this key.
    let expected = encode_file(&key);
    (bytes == expected.expose()).then_some(RootKey(key))
}

/// Random bytes that are no secret: ids, salts, nonces.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}

/// Fills `out` from the operating system; zeroes it on failure.
pub(super) fn fill_random(out: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(out).map_err(|_| {
        out.zeroize();
        Error::Resources("random bytes")
    })
}
