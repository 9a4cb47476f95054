//! Where the time of a key goes, stage by stage.
//!
//! A [`KeyPairBatch`](crate::crypto::KeyPairBatch) carries its laps with it; whoever has finished a
//! stage of the whole batch calls `lap`. A clock is read a few times a batch, never for a row, so
//! that the count can always be on. The clock is given from outside: this room knows none.

/// What was done for every key of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A slot was claimed, its rows read, entropy fetched.
    Rows,
    /// Private scalars or seeds were drawn.
    Scalar,
    /// The keys were computed: points of a curve, primes, lattices.
    Key,
    /// Keys were checked before their release.
    Check,
    /// Both halves were written as DER.
    Der,
    /// Private keys were sealed.
    Seal,
    /// Public keys and blobs were written to their slot and committed.
    Slot,
}

impl Stage {
    /// All of them, in the order of the corridor.
    pub const ALL: [Self; 7] =
        [Self::Rows, Self::Scalar, Self::Key, Self::Check, Self::Der, Self::Seal, Self::Slot];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Scalar => "scalar",
            Self::Key => "key",
            Self::Check => "check",
            Self::Der => "der",
            Self::Seal => "seal",
            Self::Slot => "slot",
        }
    }
}

/// Nanoseconds spent in every stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Laps {
    clock: Option<fn() -> u64>,
    last: u64,
    nanoseconds: [u64; Stage::ALL.len()],
}

impl Laps {
    /// Laps counted by `clock`, which tells nanoseconds from any origin.
    #[must_use]
    pub fn by(clock: fn() -> u64) -> Self {
        Self { clock: Some(clock), last: clock(), nanoseconds: [0; Stage::ALL.len()] }
    }

    /// Ends the lap of `stage`, and begins the next.
    pub fn lap(&mut self, stage: Stage) {
        let Some(clock) = self.clock else { return };
        let now = clock();
        self.nanoseconds[stage as usize] += now.saturating_sub(self.last);
        self.last = now;
    }

    /// Adds what another worker counted.
    pub fn add(&mut self, other: &Self) {
        for (sum, part) in self.nanoseconds.iter_mut().zip(other.nanoseconds) {
            *sum += part;
        }
    }

    /// Nanoseconds of `stage`.
    #[must_use]
    pub const fn of(&self, stage: Stage) -> u64 {
        self.nanoseconds[stage as usize]
    }
}
