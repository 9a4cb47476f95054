//! `KeyPairBatch`: encoded key pairs in one buffer, with room around each for its seal.
//!
//! A row of the private half is as wide as the longest blob of the spec:
//!
//! ```text
//! | blob header | PKCS#8 DER, up to its maximum | tag |
//! ```
//!
//! The engine writes the PKCS#8 where the ciphertext will stand, so that sealing happens in
//! place and no second copy of a private key is ever made. Rows are zeroed when the batch is
//! cleared or dropped, and overwritten by their ciphertext when it is sealed.
//!
//! A batch also carries the laps of its making through the corridor: see
//! [`laps`](crate::crypto::laps).

use crate::crypto::laps::{Laps, Stage};
use crate::crypto::seal::{HEADER_BYTES, TAG_BYTES};
use crate::secret::Secret;
use crate::spec::KeyPairSpec;

/// Up to `capacity` key pairs of one spec.
#[derive(Debug)]
pub struct KeyPairBatch {
    spec: KeyPairSpec,
    capacity: usize,
    public: Vec<u8>,
    private: Secret<Vec<u8>>,
    private_bytes: Vec<usize>,
    laps: Laps,
}

impl KeyPairBatch {
    /// An empty batch; all memory it will ever need is allocated here.
    #[must_use]
    pub fn with_capacity(spec: KeyPairSpec, capacity: usize) -> Self {
        Self {
            spec,
            capacity,
            public: vec![0; capacity * spec.public_key_bytes()],
            private: Secret::new(vec![0; capacity * row_bytes(spec)]),
            private_bytes: Vec::with_capacity(capacity),
            laps: Laps::default(),
        }
    }

    /// Makes the batch count the time of every stage by `laps`.
    pub fn time_by(&mut self, laps: Laps) {
        self.laps = laps;
    }

    /// Counts the time since the last lap to `stage`.
    pub fn lap(&mut self, stage: Stage) {
        self.laps.lap(stage);
    }

    /// What was counted so far.
    #[must_use]
    pub const fn laps(&self) -> &Laps {
        &self.laps
    }

    /// The spec of every pair.
    #[must_use]
    pub const fn spec(&self) -> KeyPairSpec {
        self.spec
    }

    /// How many pairs the batch can hold.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many pairs the batch holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.private_bytes.len()
    }

    /// Whether the batch holds no pair.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.private_bytes.is_empty()
    }

    /// Adds a pair that `encode` writes.
    ///
    /// `encode` gets the room of the SPKI, exactly as long as the spec's, and the room of the
    /// PKCS#8, as long as the spec's longest, and returns the length of the PKCS#8.
    ///
    /// # Panics
    ///
    /// If the batch is full, or `encode` claims more than it was given.
    #[inline]
    pub fn push_with(&mut self, encode: impl FnOnce(&mut [u8], &mut [u8]) -> usize) {
        let row = self.len();
        assert!(row < self.capacity, "the batch is full");
        let public_bytes = self.spec.public_key_bytes();
        let private_start = row * row_bytes(self.spec) + HEADER_BYTES;
        let private_room = self.spec.private_key_bytes_max();
        let public = &mut self.public[row * public_bytes..][..public_bytes];
        let private = &mut self.private.expose_mut()[private_start..][..private_room];
        let private_bytes = encode(public, private);
        assert!(private_bytes <= private_room, "the private key is longer than its spec allows");
        self.private_bytes.push(private_bytes);
    }

    /// The SPKI of pair `row`.
    ///
    /// # Panics
    ///
    /// If there is no such pair.
    #[must_use]
    pub fn public_key(&self, row: usize) -> &[u8] {
        assert!(row < self.len(), "no such row");
        let public_bytes = self.spec.public_key_bytes();
        &self.public[row * public_bytes..][..public_bytes]
    }

    /// The SPKIs of all pairs, back to back.
    #[must_use]
    pub fn public_keys(&self) -> &[u8] {
        &self.public[..self.len() * self.spec.public_key_bytes()]
    }

    /// The PKCS#8 of pair `row`.
    #[must_use]
    pub fn private_key(&self, row: usize) -> &[u8] {
        let start = row * row_bytes(self.spec) + HEADER_BYTES;
        &self.private.expose()[start..][..self.private_bytes[row]]
    }

    /// Length of the PKCS#8 of pair `row`.
    #[must_use]
    pub fn private_key_bytes(&self, row: usize) -> usize {
        self.private_bytes[row]
    }

    /// The whole room of pair `row`: header, PKCS#8 of its actual length, tag.
    pub(crate) fn blob_room_mut(&mut self, row: usize) -> &mut [u8] {
        let start = row * row_bytes(self.spec);
        let bytes = HEADER_BYTES + self.private_bytes[row] + TAG_BYTES;
        &mut self.private.expose_mut()[start..][..bytes]
    }

    /// As [`blob_room_mut`](Self::blob_room_mut), for reading.
    pub(crate) fn blob_room(&self, row: usize) -> &[u8] {
        let start = row * row_bytes(self.spec);
        let bytes = HEADER_BYTES + self.private_bytes[row] + TAG_BYTES;
        &self.private.expose()[start..][..bytes]
    }

    /// All rooms, back to back, if the spec makes them equally long.
    pub(crate) fn blob_rooms(&self) -> Option<&[u8]> {
        let used = self.len() * row_bytes(self.spec);
        self.spec.private_key_is_fixed_size().then(|| &self.private.expose()[..used])
    }

    /// Forgets all pairs, of whose private halves only ciphertext is left.
    pub(crate) fn forget_sealed(&mut self) {
        self.private_bytes.clear();
    }

    /// Forgets all pairs and zeroes them.
    pub fn clear(&mut self) {
        let used = self.len() * row_bytes(self.spec);
        zeroize::Zeroize::zeroize(&mut self.private.expose_mut()[..used]);
        self.private_bytes.clear();
    }
}

/// Bytes of one row of the private half.
const fn row_bytes(spec: KeyPairSpec) -> usize {
    HEADER_BYTES + spec.private_key_bytes_max() + TAG_BYTES
}
