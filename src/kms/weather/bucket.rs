//! `Buckets`: what is left of each quota.
//!
//! A bucket holds the calls of one second, or one call where less than one a second is allowed, and
//! fills at the rate of its quota. It is kept as the time at which it will be full (the generic cell
//! rate algorithm, ITU-T I.371), so that one number tells all.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::quota::Class;
use crate::limits::QUOTA_BUCKETS_MAX;
use crate::spec::key_id::Scope;

/// When each bucket will be full, by account, Region and class; those that are full may be missing.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<HashMap<(Scope, Class), Instant>>);

impl Buckets {
    /// Takes one call from a bucket that fills at `rate` calls a second, unless it is empty.
    pub(super) fn take(&self, scope: &Scope, class: Class, rate: f64, now: Instant) -> bool {
        let one = Duration::from_secs_f64(1.0 / rate);
        let whole = one.max(Duration::from_secs(1));
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= QUOTA_BUCKETS_MAX {
            buckets.retain(|_, full| *full > now);
        }
        let full = buckets.entry((scope.clone(), class)).or_insert(now);
        let next = (*full).max(now) + one;
        // Clocks are read in nanoseconds, so that a second of calls may be some of them too long.
        let is_left = next <= now + whole + Duration::from_micros(1);
        if is_left {
            *full = next;
        }
        is_left
    }
}
