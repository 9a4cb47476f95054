//! What a taker wants done when a pool is empty, and what it may be told.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use super::maker::MakeError;
use crate::limits::POOL_WAIT;
use crate::spec::KeyPairSpec;

/// What to do when a pool is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyPool {
    /// Wait for a pair, so long at most.
    Wait(Duration),
    /// Say at once that requests come too fast.
    Throttle,
    /// Say at once that the service cannot do it.
    Error,
}

impl FromStr for EmptyPool {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "wait" => Ok(Self::Wait(POOL_WAIT)),
            "throttle" => Ok(Self::Throttle),
            "error" => Ok(Self::Error),
            _ => Err(UnknownPolicy),
        }
    }
}

/// The text names no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPolicy;

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an empty pool can wait, throttle or error")
    }
}

impl core::error::Error for UnknownPolicy {}

/// Why no pair was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// There is no pool of this spec.
    NoPool {
        /// What was asked for.
        spec: KeyPairSpec,
    },
    /// The pool is empty, and the policy is to throttle.
    Throttled {
        /// What was asked for.
        spec: KeyPairSpec,
    },
    /// The pool is empty, and the policy is an error.
    Empty {
        /// What was asked for.
        spec: KeyPairSpec,
    },
    /// The pool stayed empty as long as the policy allows to wait.
    NothingCame {
        /// What was asked for.
        spec: KeyPairSpec,
    },
    /// The pool is empty, and no more pairs are made.
    Failed {
        /// What was asked for.
        spec: KeyPairSpec,
        /// Why.
        reason: MakeError,
    },
    /// The pools are being closed.
    Stopped,
}

impl fmt::Display for TakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPool { spec } => write!(f, "there is no pool of {spec} key pairs"),
            Self::Throttled { spec } | Self::Empty { spec } => {
                write!(f, "the pool of {spec} key pairs is empty")
            }
            Self::NothingCame { spec } => {
                write!(f, "the pool of {spec} key pairs stayed empty for too long")
            }
            Self::Failed { spec, reason } => {
                write!(f, "the pool of {spec} key pairs is empty and out of order: {reason}")
            }
            Self::Stopped => f.write_str("the pools are being closed"),
        }
    }
}

impl core::error::Error for TakeError {}
