//! The candidates of an average RSA-2048 key, as published by the Community Cryptography Test
//! Vectors, through trial division, Fermat and Miller-Rabin.
//!
//! What comes out is asserted, so a wrong kernel cannot be a fast one.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keymill::crypto::arith::{
    DIGIT_BITS, DIGIT_MASK, Eight, Kernel, LANES, Limbs, Modulus, Scratch, Vectors,
};
use keymill::crypto::prime;
use keymill::crypto::prime::sieve::Sieve;
use keymill::sys::features::Ifma;

use crate::measurement::ThreadTime;

mod measurement;

const DIGITS: usize = 20;
const BYTES: usize = 128;
static CANDIDATES: &[u8] = include_bytes!("data/cctv-rsa-2048.bin");
/// Places of the primes, counted from zero.
const PRIMES: [usize; 2] = [353, 707];

type Number = [u64; DIGITS];

/// A big-endian number in digits.
fn digits(bytes: &[u8]) -> Number {
    std::array::from_fn(|digit| {
        let bit = DIGIT_BITS * digit;
        let byte = |place: usize| bytes.iter().rev().nth(place).map_or(0, |&byte| u64::from(byte));
        let word = (0..8).fold(0, |word, place| word | byte(bit / 8 + place) << (8 * place));
        word >> (bit % 8) & DIGIT_MASK
    })
}

struct Judge<N> {
    kernel: N,
    sieve: Sieve<DIGITS>,
    scratch: Scratch,
}

impl<N: Kernel> Judge<N> {
    /// Each stage packs what the one before let through into full lanes.
    fn primes(&mut self, candidates: &[Number]) -> Vec<usize> {
        let all: Vec<usize> = (0..candidates.len()).collect();
        let sifted = self.stage(candidates, &all, Self::sift);
        let probable = self.stage(candidates, &sifted, Self::fermat);
        let rounds = 0..prime::rounds(1024);
        rounds.fold(probable, |left, _| self.stage(candidates, &left, Self::miller_rabin))
    }

    fn stage(
        &mut self,
        candidates: &[Number],
        places: &[usize],
        judge: fn(&mut Self, &Eight<DIGITS>) -> u8,
    ) -> Vec<usize> {
        let mut passed = Vec::with_capacity(places.len());
        for places in places.chunks(LANES) {
            let mut eight = Eight::ZERO;
            for lane in 0..LANES {
                eight.set_lane(lane, &candidates[places[lane % places.len()]]);
            }
            let pass = judge(self, &eight);
            passed.extend(
                places.iter().enumerate().filter(|(lane, _)| pass >> lane & 1 == 1).map(|(_, p)| p),
            );
        }
        passed
    }

    fn sift(&mut self, eight: &Eight<DIGITS>) -> u8 {
        let Self { kernel, sieve, .. } = self;
        // The sieve takes sixteen; its second register repeats the first.
        let sixteen = [*eight; 2];
        let [alive, _] = kernel.run(
            #[inline(always)]
            || sieve.survivors::<N::V>(&sixteen),
        );
        alive
    }

    fn fermat(&mut self, eight: &Eight<DIGITS>) -> u8 {
        self.kernel.fermat(&Modulus::new(eight), &mut self.scratch)
    }

    fn miller_rabin(&mut self, eight: &Eight<DIGITS>) -> u8 {
        let base = Eight::small(3);
        self.kernel.miller_rabin(&Modulus::new(eight), &base, &mut self.scratch)
    }
}

fn run<N: Kernel>(criterion: &mut Criterion<ThreadTime>, name: &str, kernel: N) {
    let candidates: Vec<Number> = CANDIDATES.chunks_exact(BYTES).map(digits).collect();
    let sieve = Sieve::new(2, 1 << 14);
    let mut judge = Judge { kernel, sieve, scratch: Scratch::default() };
    assert_eq!(judge.primes(&candidates), PRIMES, "the published primes");
    let mut group = criterion.benchmark_group("cctv-rsa-2048");
    group.sample_size(10).throughput(Throughput::Elements(candidates.len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter_batched(|| (), |()| judge.primes(&candidates), BatchSize::PerIteration);
    });
}

fn candidates(criterion: &mut Criterion<ThreadTime>) {
    if let Some(token) = Ifma::detect() {
        run(criterion, "ifma", Vectors(token));
    }
    run(criterion, "portable", Limbs);
}

criterion_group! { name = benches; config = measurement::criterion(); targets = candidates }
criterion_main!(benches);
