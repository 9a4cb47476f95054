//! A machine that computes wrongly: each operation of a batch of keys fails once, in one lane.
//!
//! Whatever is hit, the batch is refused, or its keys are sound all the same: the fault fell into
//! a lane that nothing came of, or turned a prime away and another took its place.

use std::cell::Cell;

use super::*;
use crate::crypto::check::check_pair;
use crate::sys::features::Ifma;

thread_local! {
    /// Operations until the fault.
    static COUNTDOWN: Cell<usize> = const { Cell::new(usize::MAX) };
    static PLACE: Cell<Place> = const { Cell::new(Place { digit: 0, lane: 0, bit: 0 }) };
}

/// Where a bit is flipped.
#[derive(Clone, Copy, Debug)]
struct Place {
    digit: usize,
    lane: usize,
    bit: usize,
}

/// Counts down; the place, if it is time.
fn strike() -> Option<Place> {
    let left = COUNTDOWN.get();
    COUNTDOWN.set(left.wrapping_sub(1));
    (left == 0).then(|| PLACE.get())
}

fn flip<const K: usize>(mut number: Eight<K>) -> Eight<K> {
    if let Some(Place { digit, lane, bit }) = strike() {
        number.0[digit % K][lane] ^= 1 << (bit % 52);
    }
    number
}

fn flip_verdict(verdict: u8) -> u8 {
    strike().map_or(verdict, |place| verdict ^ 1 << place.lane)
}

/// A sound kernel whose operands and results are hit: each is an operation to be counted.
#[derive(Clone, Copy)]
struct Faulty<N>(N);

impl<N: Kernel> Kernel for Faulty<N> {
    type V = N::V;

    #[inline]
    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        self.0.run(work)
    }

    fn fermat<const K: usize>(self, modulus: &Modulus<K>, scratch: &mut Scratch) -> u8 {
        let modulus = Modulus::new(&flip(modulus.n));
        flip_verdict(self.0.fermat(&modulus, scratch))
    }

    fn miller_rabin<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        scratch: &mut Scratch,
    ) -> u8 {
        let modulus = Modulus::new(&flip(modulus.n));
        flip_verdict(self.0.miller_rabin(&modulus, &flip(*base), scratch))
    }

    fn power<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        exponent: &Eight<K>,
        scratch: &mut Scratch,
    ) -> Eight<K> {
        let modulus = Modulus::new(&flip(modulus.n));
        flip(self.0.power(&modulus, &flip(*base), &flip(*exponent), scratch))
    }

    fn power_e<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        scratch: &mut Scratch,
    ) -> Eight<K> {
        let modulus = Modulus::new(&flip(modulus.n));
        flip(self.0.power_e(&modulus, &flip(*base), scratch))
    }

    fn inverse_holds<const K: usize>(
        self,
        modulus: &Modulus<K>,
        a: &Eight<K>,
        b: &Eight<K>,
        scratch: &mut Scratch,
    ) -> u8 {
        let modulus = Modulus::new(&flip(modulus.n));
        flip_verdict(self.0.inverse_holds(&modulus, &flip(*a), &flip(*b), scratch))
    }
}

/// Eight keys with the fault at operation `at`; none if they were refused.
fn keys_with_fault<N: Kernel>(kernel: N, at: usize, place: Place) -> Option<KeyPairBatch> {
    let mut batch = KeyPairBatch::with_capacity(KeyPairSpec::Rsa2048, LANES);
    COUNTDOWN.set(at);
    PLACE.set(place);
    let mut mill = KeyMill::<_, 20>::new(Faulty(kernel));
    let made = mill.keys(&mut Drbg::from_seed([5; 32]), &mut batch, LANES);
    made.then_some(batch)
}

/// What becomes of a fault at each of the last operations, and of some of those before.
fn faults_ship_no_bad_key<N: Kernel>(kernel: N, rest: usize) {
    let place = |at: usize| Place { digit: at * 7, lane: at % LANES, bit: at * 11 };
    let sound = keys_with_fault(kernel, usize::MAX, place(0)).expect("no fault, no refusal");
    let operations = usize::MAX - COUNTDOWN.get();
    // Key parts and checks are at most the last forty; what comes before is the search.
    let last = operations.saturating_sub(40)..operations;
    let before = (0..last.start).step_by(last.start / rest + 1);
    let (mut refused, mut same, mut other) = (0, 0, 0);
    for at in before.chain(last) {
        let Some(batch) = keys_with_fault(kernel, at, place(at)) else {
            refused += 1;
            continue;
        };
        let differs = |row: &usize| batch.private_key(*row) != sound.private_key(*row);
        let rows: Vec<usize> = (0..LANES).filter(differs).collect();
        let outcome = if rows.is_empty() { &mut same } else { &mut other };
        *outcome += 1;
        for row in rows {
            let [public, private] = [batch.public_key(row), batch.private_key(row)];
            let verdict = check_pair(KeyPairSpec::Rsa2048, public, private);
            assert_eq!(verdict, Ok(()), "key {row}, fault at {at}: {:?}", place(at));
        }
    }
    println!(
        "{operations} operations: {refused} refused, {same} without effect, {other} sound keys"
    );
    assert!(refused >= 10 && same > 0 && other > 0, "the faults reach every outcome");
}

#[test]
fn no_fault_of_a_lane_ships_a_bad_key() {
    match Ifma::detect() {
        Some(token) => faults_ship_no_bad_key(Vectors(token), 16),
        None => faults_ship_no_bad_key(Limbs, 2),
    }
}
