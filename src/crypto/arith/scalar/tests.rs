//! One multiplication at a time against a big-integer crate, where carries run far.

use num_bigint_dig::BigUint;
use rand_core::Rng;

use super::modulus::LimbModulus;
use crate::crypto::drbg::Drbg;

fn big(limbs: &[u64]) -> BigUint {
    limbs.iter().rev().fold(BigUint::from(0_u8), |n, &limb| (n << 64_usize) + BigUint::from(limb))
}

/// A number of which three quarters of the limbs are extreme.
fn patterned<const L: usize>(drbg: &mut Drbg) -> [u64; L] {
    core::array::from_fn(|_| match drbg.next_u64() % 8 {
        0..3 => u64::MAX,
        3..5 => 0,
        5 => 1 << 63,
        _ => drbg.next_u64(),
    })
}

fn operations_are_the_model<const L: usize>(cases: usize) {
    let mut drbg = Drbg::from_seed([u8::try_from(L).unwrap(); 32]);
    let r = BigUint::from(1_u8) << (64 * L);
    for case in 0..cases {
        let [mut n, a, b] = [(); 3].map(|()| patterned::<L>(&mut drbg));
        n[0] |= 1;
        n[L - 1] |= 1 << 63;
        let mut modulus = LimbModulus::new(&n);
        let count = drbg.next_u64() % 64;
        let (mut product, mut square, mut half, mut reduced) = (a, a, a, a);
        modulus.multiply(&mut product, &b);
        modulus.square(&mut square);
        modulus.halve(&mut half, count);
        modulus.reduce(&mut reduced);
        let [one, minus_one] = [modulus.one(), modulus.minus_one()].map(|x| big(&x));
        let mut entered = a;
        modulus.enter(&mut entered);
        let [n, a, b, product, square, half, reduced, entered] =
            [n, a, b, product, square, half, reduced, entered].map(|x| big(&x));
        assert_eq!(product * &r % &n, &a * b % &n, "product, case {case}");
        assert_eq!(square * &r % &n, &a * &a % &n, "square, case {case}");
        assert_eq!((half << usize::try_from(count).unwrap()) % &n, &a % &n, "half, case {case}");
        assert_eq!(entered % &n, &a * &r % &n, "entered, case {case}");
        assert_eq!(reduced, a % &n, "reduced, case {case}");
        assert_eq!(one, &r % &n, "one, case {case}");
        assert_eq!(minus_one, &n - &r % &n, "minus one, case {case}");
    }
}

#[test]
fn operations_are_the_big_integer_model() {
    operations_are_the_model::<16>(3000);
    operations_are_the_model::<24>(1500);
    operations_are_the_model::<32>(1000);
}
