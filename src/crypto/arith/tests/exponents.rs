//! Verdicts and powers: every kernel against numbers whose verdict is known, and the model.

use num_bigint_dig::ModInverse;
use rand_core::Rng;

use super::gallery::{BASES, Exhibit, of_size};
use super::operands::{eight, moduli, poisoned};
use super::*;

pub(super) fn lanes_of<const K: usize>(numbers: &[BigUint; LANES]) -> Eight<K> {
    let mut eight = Eight::ZERO;
    for (lane, number) in numbers.iter().enumerate() {
        eight.set_lane(lane, &digits(number));
    }
    eight
}

/// Random numbers below half of every modulus, and above 1 but for a chance of 2^-1000.
fn random_bases<const K: usize>(drbg: &mut Drbg) -> Eight<K> {
    let mut bases = Eight::ZERO;
    for digit in bases.0[..K - 1].as_flattened_mut() {
        *digit = drbg.next_u64() & DIGIT_MASK;
    }
    bases
}

/// Batches in which every exhibit meets every lane after eight turns.
fn batches(exhibits: &[Exhibit], turns: usize) -> Vec<[usize; LANES]> {
    let count = exhibits.len();
    let starts = move |turn| (0..count).step_by(LANES).map(move |start| (turn, start));
    let lanes =
        |(turn, start)| core::array::from_fn(|lane| (start + (lane + turn) % LANES) % count);
    (0..turns).flat_map(starts).map(lanes).collect()
}

/// Whether n is a strong probable prime to base a, by the definition.
fn is_strong(n: &BigUint, a: &BigUint) -> bool {
    let order = n - 1_u8;
    is_strong_by(n, a.modpow(&(&order >> order.trailing_zeros().unwrap()), n))
}

/// The same, where `power` is congruent to a to the odd part of n - 1.
pub(super) fn is_strong_by(n: &BigUint, power: BigUint) -> bool {
    let order = n - 1_u8;
    let squarings = order.trailing_zeros().unwrap() - 1;
    let mut x = power % n;
    if x == BigUint::from(1_u8) {
        return true;
    }
    for _ in 0..squarings {
        if x == order {
            return true;
        }
        x = &x * &x % n;
    }
    x == order
}

/// Fermat and Miller-Rabin, each exhibit beside others, in as many lanes as there are turns.
fn verdicts_are_right<N: Kernel, const K: usize>(kernel: N, turns: usize) {
    let exhibits = of_size(modulus_bits(K));
    let (mut drbg, mut scratch) = (Drbg::from_seed([1; 32]), Scratch::default());
    let mut found = vec![false; exhibits.len()];
    for (turn, batch) in batches(&exhibits, turns).into_iter().enumerate() {
        let numbers = batch.map(|index| exhibits[index].number.clone());
        let modulus = Modulus::new(&lanes_of::<K>(&numbers));
        let fermat = kernel.fermat(&modulus, &mut scratch);
        let bases: [u64; LANES] = core::array::from_fn(|lane| BASES[(turn + lane) % BASES.len()]);
        let fixed = lanes_of::<K>(&bases.map(BigUint::from));
        let fixed = kernel.miller_rabin(&modulus, &fixed, &mut scratch);
        let random = random_bases(&mut drbg);
        let random = kernel.miller_rabin(&modulus, &random, &mut scratch);
        for (lane, index) in batch.into_iter().enumerate() {
            let Exhibit { number, is_prime, liars_up_to } = &exhibits[index];
            let [fermat, fixed, random] = [fermat, fixed, random].map(|mask| mask >> lane & 1 == 1);
            assert_eq!(fermat, *liars_up_to >= 2, "Fermat, lane {lane}: {number:x}");
            let base = bases[lane];
            let is_liar = base <= *liars_up_to || is_strong(number, &BigUint::from(base));
            assert_eq!(fixed, is_liar, "base {base}, lane {lane}: {number:x}");
            assert!(random || !is_prime, "random base, lane {lane}: {number:x}");
            found[index] |= !random;
        }
    }
    // One base misses a pseudoprime once in four times, eight bases do not.
    let judged = if turns == LANES { &exhibits[..] } else { &[] };
    for (Exhibit { number, is_prime, .. }, found) in judged.iter().zip(found) {
        assert_eq!(found, !is_prime, "{turns} random bases: {number:x}");
    }
}

/// Powers to exponents and of bases at the ends of their ranges, and of random ones.
fn powers_are_the_models<N: Kernel, const K: usize>(kernel: N, batches: usize) {
    let bits = modulus_bits(K);
    let (mut drbg, mut scratch) = (Drbg::from_seed([2; 32]), Scratch::default());
    for _ in 0..batches {
        let n = moduli::<K>(&mut drbg);
        let [base, exponent] = [(); 2].map(|()| eight::<K>(&mut drbg, bits));
        let modulus = Modulus::new(&n);
        let power = kernel.power(&modulus, &base, &exponent, &mut scratch);
        let public = kernel.power_e(&modulus, &base, &mut scratch);
        for lane in 0..LANES {
            let [n, a, e, power, public] =
                [n, base, exponent, power, public].map(|number| big(&number.lane(lane)));
            assert!(power <= n && public <= n, "lane {lane}: reduced");
            assert_eq!(power % &n, a.modpow(&e, &n), "lane {lane}: {a:x}^{e:x} mod {n:x}");
            let expected = a.modpow(&BigUint::from(65537_u32), &n);
            assert_eq!(public % &n, expected, "lane {lane}: {a:x}^65537 mod {n:x}");
        }
    }
}

/// True inverses, inverses that miss by one, and numbers without any.
fn inverses_are_told<N: Kernel, const K: usize>(kernel: N, batches: usize) {
    let (mut drbg, mut scratch) = (Drbg::from_seed([3; 32]), Scratch::default());
    for batch in 0..batches {
        let (n, a) = (moduli::<K>(&mut drbg), random_bases::<K>(&mut drbg));
        let mut b = Eight::ZERO;
        let mut expected = 0;
        for lane in 0..LANES {
            let [n, a] = [n, a].map(|number| big(&number.lane(lane)));
            let Some(inverse) = a.mod_inverse(&n) else { continue };
            let miss = u8::from((batch + lane).is_multiple_of(3));
            b.set_lane(lane, &digits(&(inverse.to_biguint().unwrap() + miss)));
            expected |= (1 - miss) << lane;
        }
        assert_ne!(expected, 0, "there are inverses");
        let told = kernel.inverse_holds(&Modulus::new(&n), &a, &b, &mut scratch);
        assert_eq!(told, expected);
    }
}

/// Noise in seven lanes changes neither a verdict nor a power in the eighth.
fn lanes_are_independent<N: Kernel, const K: usize>(kernel: N, turns: usize) {
    let exhibits = of_size(modulus_bits(K));
    let (mut drbg, mut scratch) = (Drbg::from_seed([4; 32]), Scratch::default());
    for (turn, batch) in batches(&exhibits, turns).into_iter().enumerate() {
        let spared = turn % LANES;
        let n = lanes_of::<K>(&batch.map(|index| exhibits[index].number.clone()));
        let [base, exponent] = [(); 2].map(|()| random_bases::<K>(&mut drbg));
        let mut outcome = |[n, base, exponent]: [Eight<K>; 3]| {
            let modulus = Modulus::new(&n);
            let fermat = kernel.fermat(&modulus, &mut scratch);
            let strong = kernel.miller_rabin(&modulus, &base, &mut scratch);
            let power = kernel.power(&modulus, &base, &exponent, &mut scratch).lane(spared);
            (fermat >> spared & 1, strong >> spared & 1, power)
        };
        let noisy = [n, base, exponent].map(|number| poisoned(&mut drbg, &number, spared));
        assert_eq!(outcome([n, base, exponent]), outcome(noisy), "lane {spared}");
    }
}

fn every_law<N: Kernel, const K: usize>(kernel: N, turns: usize) {
    verdicts_are_right::<N, K>(kernel, turns);
    powers_are_the_models::<N, K>(kernel, turns.div_ceil(2));
    inverses_are_told::<N, K>(kernel, turns);
    lanes_are_independent::<N, K>(kernel, turns);
}

#[test]
fn portable_exponentiation_is_the_models() {
    every_law::<_, 20>(Portable, 3);
    every_law::<_, 30>(Portable, 1);
    every_law::<_, 40>(Portable, 1);
}

#[test]
fn exponentiation_in_limbs_is_the_models() {
    every_law::<_, 20>(Limbs, 8);
    every_law::<_, 30>(Limbs, 3);
    every_law::<_, 40>(Limbs, 2);
}

#[test]
fn ifma_exponentiation_is_the_models() {
    let Some(token) = Ifma::detect() else { return };
    every_law::<_, 20>(Vectors(token), 8);
    every_law::<_, 30>(Vectors(token), 8);
    every_law::<_, 40>(Vectors(token), 8);
}
