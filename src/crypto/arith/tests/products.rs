//! Squares and products: the model's value, digit for digit the portable kernel's, lane by lane.
//!
//! With `R` coprime to `n`, only one number satisfies `out R = a b + m n` with `0 <= m < R`; so
//! a congruence and two bounds determine every digit of a product.

use super::operands::{eight, moduli, poisoned};
use super::*;

/// Operands may have two bits more than the modulus.
const ABOVE: usize = 2;

/// `n`, `a`, `b`, and the doublings of a square.
#[derive(Clone, Copy)]
struct Case<const K: usize> {
    n: Eight<K>,
    a: Eight<K>,
    b: Eight<K>,
    shift: Digit,
}

impl<const K: usize> Case<K> {
    fn draw(drbg: &mut Drbg) -> Self {
        let bits = modulus_bits(K) + ABOVE;
        let [a, b] = [(); 2].map(|()| eight(drbg, bits));
        let mut coins = [0; LANES];
        drbg.fill(&mut coins);
        Self { n: moduli(drbg), a, b, shift: coins.map(|coin| u64::from(coin & 1)) }
    }

    fn permuted(&self, place: [usize; LANES]) -> Self {
        let [n, a, b] = [&self.n, &self.a, &self.b].map(|number| permuted(number, place));
        let mut shift = [0; LANES];
        for (lane, to) in place.into_iter().enumerate() {
            shift[to] = self.shift[lane];
        }
        Self { n, a, b, shift }
    }

    /// `a b / R` and `a^2 2^shift / R`.
    fn outcome<N: Kernel>(&self, kernel: N, scratch: &mut Scratch) -> [Eight<K>; 2] {
        let modulus = Modulus::new(&self.n);
        let (mut product, mut square) = (self.a, self.a);
        kernel.run(
            #[inline(always)]
            || {
                modulus.multiply::<N::V>(&mut product, &self.b, scratch);
                modulus.square_shift(&mut square, N::V::load(&self.shift), scratch);
                product.tighten::<N::V>();
                square.tighten::<N::V>();
            },
        );
        [product, square]
    }

    fn check(&self, [product, square]: &[Eight<K>; 2]) {
        let r = DIGIT_BITS * K;
        for lane in 0..LANES {
            let [n, a, b] = [self.n, self.a, self.b].map(|number| big(&number.lane(lane)));
            let product = big(&product.lane(lane)) << r;
            let ab = &a * &b;
            assert!(product >= ab && product < &ab + (&n << r), "lane {lane}: bounds of a product");
            assert_eq!((product - ab) % &n, BigUint::default(), "lane {lane}: product");
            let square = big(&square.lane(lane));
            assert!(square < BigUint::from(1_u8) << (modulus_bits(K) + ABOVE), "lane {lane}");
            let (left, right) = ((square << r) % &n, (&a * &a * (1 + self.shift[lane])) % &n);
            assert_eq!(left, right, "lane {lane}: square");
        }
    }
}

/// Every batch against the model and `Portable`, and once more with its lanes in another order.
fn is_the_model<N: Kernel, const K: usize>(kernel: N, seed: [u8; 32], batches: usize) {
    let (mut drbg, mut scratch) = (Drbg::from_seed(seed), Scratch::default());
    for _ in 0..batches {
        let case = Case::<K>::draw(&mut drbg);
        let outcome = case.outcome(kernel, &mut scratch);
        case.check(&outcome);
        assert_eq!(outcome, case.outcome(Portable, &mut scratch), "portable, seed {seed:?}");
        let place = shuffle(&mut drbg);
        let moved = case.permuted(place).outcome(kernel, &mut scratch);
        assert_eq!(moved, outcome.map(|number| permuted(&number, place)), "order, seed {seed:?}");
    }
}

/// Noise in seven lanes, which breaks every bound there, changes no digit of the eighth.
fn lanes_are_independent<N: Kernel, const K: usize>(kernel: N, batches: usize) {
    let (mut drbg, mut scratch) =
        (Drbg::from_seed([u8::try_from(K).unwrap(); 32]), Scratch::default());
    for batch in 0..batches {
        let case = Case::<K>::draw(&mut drbg);
        let spared = batch % LANES;
        let [n, a, b] = [case.n, case.a, case.b].map(|x| poisoned(&mut drbg, &x, spared));
        let poisoned = Case { n, a, b, shift: case.shift };
        let [clean, noisy] = [case, poisoned]
            .map(|case| case.outcome(kernel, &mut scratch).map(|number| number.lane(spared)));
        assert_eq!(clean, noisy, "lane {spared}");
    }
}

fn every_size<N: Kernel>(kernel: N, batches: usize) {
    is_the_model::<N, 20>(kernel, [20; 32], batches);
    is_the_model::<N, 30>(kernel, [30; 32], batches);
    is_the_model::<N, 40>(kernel, [40; 32], batches);
    lanes_are_independent::<N, 20>(kernel, batches);
    lanes_are_independent::<N, 30>(kernel, batches);
    lanes_are_independent::<N, 40>(kernel, batches);
}

#[test]
fn portable_products_are_the_models() {
    every_size(Portable, 200);
}

#[test]
fn ifma_products_are_the_models() {
    let Some(token) = Ifma::detect() else { return };
    every_size(Vectors(token), 1000);
}

#[test]
#[ignore = "a million operand sets of each size take minutes: cargo test --release -- --ignored a_million"]
fn a_million_ifma_products_are_the_models() {
    let token = Ifma::detect().expect("a CPU with AVX-512 IFMA");
    let mut seed = [0; 32];
    Drbg::from_system().expect("entropy").fill(&mut seed);
    println!("seed {seed:?}");
    let batches = 1_000_000 / LANES;
    is_the_model::<_, 20>(Vectors(token), seed, batches);
    is_the_model::<_, 30>(Vectors(token), seed, batches);
    is_the_model::<_, 40>(Vectors(token), seed, batches);
}
