//! Kernels against each other and against a big-integer crate.

use num_bigint_dig::BigUint;
use rand_core::Rng;

use super::*;
use crate::crypto::drbg::Drbg;

fn big(digits: &[u64]) -> BigUint {
    digits.iter().rev().fold(BigUint::from(0_u8), |n, &d| (n << 52_usize) + BigUint::from(d))
}

/// Odd moduli of full length, with extremes in lanes 0 and 1; operands below 2^(bits + 1).
fn operands<const K: usize>(drbg: &mut Drbg) -> [Eight<K>; 3] {
    let top = modulus_bits(K) - 52 * (K - 1);
    core::array::from_fn(|which| {
        let mut number = Eight::ZERO;
        for digit in number.0.as_flattened_mut() {
            *digit = drbg.next_u64() & DIGIT_MASK;
        }
        number.set_lane(0, &[DIGIT_MASK; K]);
        number.set_lane(1, &[0; K]);
        let room = if which == 0 { top } else { top + 1 };
        for lane in 0..LANES {
            number.0[K - 1][lane] &= (1 << room) - 1;
            if which == 0 {
                number.0[K - 1][lane] |= 1 << (top - 1);
                number.0[0][lane] |= 1;
            }
        }
        number
    })
}

fn kernel_is_model<N: Kernel, const K: usize>(kernel: N, cases: usize) {
    let (mut drbg, mut scratch) =
        (Drbg::from_seed([u8::try_from(K).unwrap(); 32]), Scratch::default());
    for _ in 0..cases {
        let [n, a, b] = operands::<K>(&mut drbg);
        let modulus = Modulus::new(&n);
        let (mut product, mut square) = (a, a);
        kernel.run(|| {
            modulus.multiply::<N::V>(&mut product, &b, &mut scratch);
            modulus.square(&mut square, N::V::splat(1), &mut scratch);
        });
        for lane in 0..LANES {
            let [n, a, b] = [n, a, b].map(|x| big(&x.lane(lane)));
            let (product, square) = (big(&product.lane(lane)), big(&square.lane(lane)));
            assert_eq!((&product << (52 * K)) % &n, (&a * &b) % &n, "lane {lane}");
            assert_eq!((&square << (52 * K)) % &n, (&a * &a * 2_u8) % &n, "lane {lane}");
            assert!(product < &n << 1_usize && square < &n << 2_usize, "lane {lane}");
        }
    }
}

#[test]
fn portable_is_the_big_integer_model() {
    kernel_is_model::<_, 20>(Portable, 30);
    kernel_is_model::<_, 30>(Portable, 30);
    kernel_is_model::<_, 40>(Portable, 30);
}

#[test]
fn ifma_is_the_big_integer_model() {
    let Some(token) = Ifma::detect() else { return };
    kernel_is_model::<_, 20>(Vectors(token), 300);
    kernel_is_model::<_, 30>(Vectors(token), 300);
    kernel_is_model::<_, 40>(Vectors(token), 300);
}
