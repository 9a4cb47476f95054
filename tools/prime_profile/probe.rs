//! `Probed`: a kernel that passes all work on to another and keeps account of the time.
//!
//! The search and the key parts ask a kernel for whole batches, so an account at that seam costs
//! the engine nothing: it runs the same code, and a production build has no probe in it.

use std::cell::RefCell;
use std::time::Duration;

use keymill::crypto::arith::{Eight, Kernel, Modulus, Scratch};

use crate::stopwatch::timed;

/// What a kernel is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Drawing candidates and dividing them by small primes.
    Candidates,
    /// A base-2 Fermat test of eight candidates.
    Fermat,
    /// A Miller-Rabin round of eight probable primes.
    MillerRabin,
    /// The inverse of q modulo p, and using every key once.
    Powers,
}

/// Calls and CPU time of each kind of work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account([(u32, Duration); 4]);

impl Account {
    pub fn calls(&self, work: Work) -> f64 {
        f64::from(self.0[work as usize].0)
    }

    pub fn ns(&self, work: Work) -> f64 {
        self.0[work as usize].1.as_nanos() as f64
    }

    pub fn total_ns(&self) -> f64 {
        self.0.iter().map(|(_, time)| time.as_nanos() as f64).sum()
    }
}

thread_local! {
    static ACCOUNT: RefCell<Account> = RefCell::default();
}

/// The account of this thread since it was last taken.
pub fn take_account() -> Account {
    ACCOUNT.take()
}

fn charge<R>(kind: Work, work: impl FnOnce() -> R) -> R {
    let (time, result) = timed(work);
    ACCOUNT.with_borrow_mut(|account| {
        let (calls, total) = &mut account.0[kind as usize];
        *calls += 1;
        *total += time;
    });
    result
}

/// A kernel under observation.
#[derive(Clone, Copy, Debug)]
pub struct Probed<N>(pub N);

impl<N: Kernel> Kernel for Probed<N> {
    type V = N::V;

    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        charge(Work::Candidates, || self.0.run(work))
    }

    fn fermat<const K: usize>(self, modulus: &Modulus<K>, scratch: &mut Scratch) -> u8 {
        charge(Work::Fermat, || self.0.fermat(modulus, scratch))
    }

    fn miller_rabin<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        scratch: &mut Scratch,
    ) -> u8 {
        charge(Work::MillerRabin, || self.0.miller_rabin(modulus, base, scratch))
    }

    fn power<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        exponent: &Eight<K>,
        scratch: &mut Scratch,
    ) -> Eight<K> {
        charge(Work::Powers, || self.0.power(modulus, base, exponent, scratch))
    }

    fn power_e<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        scratch: &mut Scratch,
    ) -> Eight<K> {
        charge(Work::Powers, || self.0.power_e(modulus, base, scratch))
    }

    fn inverse_holds<const K: usize>(
        self,
        modulus: &Modulus<K>,
        a: &Eight<K>,
        b: &Eight<K>,
        scratch: &mut Scratch,
    ) -> u8 {
        charge(Work::Powers, || self.0.inverse_holds(modulus, a, b, scratch))
    }
}
