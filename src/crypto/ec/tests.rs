//! Lanes against lanes, and keys against the portable crates.

use super::batch::Batch;
use super::curve::{self, Curve, LIMBS_MAX, Scalar};
use super::lanes::{LANES, Lanes, Portable};
use super::oracle::Oracle;
use super::scalar;
use crate::crypto::drbg::Drbg;
use crate::sys::features::Ifma;

/// `keys` scalars: random, with the edges in front.
fn scalars<C: Curve<N>, const N: usize>(keys: usize, seed: u8) -> Vec<Scalar> {
    let mut drbg = Drbg::from_seed([seed; 32]);
    let mut bytes = vec![0; C::COORDINATE_BYTES];
    let mut random = || {
        drbg.fill(&mut bytes);
        scalar::draw::<C, N>(&mut drbg, &mut bytes)
    };
    let mut out = edges::<C, N>();
    out.extend((out.len()..keys).map(|_| random()));
    out
}

/// One limb, shifted.
fn shifted(value: u64, bits: usize) -> Scalar {
    let mut limbs = [0; LIMBS_MAX];
    limbs[bits / 64] = value << (bits % 64);
    if bits % 64 > 0 && bits / 64 + 1 < LIMBS_MAX {
        limbs[bits / 64 + 1] = value >> (64 - bits % 64);
    }
    limbs
}

/// 1 to 3, n - 1 to n - 3, window boundaries, and `k = 2 d 2^(8 i) mod n` for the top windows:
/// there the sum meets the table point `d` or its negative.
fn edges<C: Curve<N>, const N: usize>() -> Vec<Scalar> {
    let mut out: Vec<Scalar> = (1..=3).map(|k| shifted(k, 0)).collect();
    for window in 1..C::WINDOWS {
        out.push(shifted(1, 8 * window));
        out.push(shifted(0xff, 8 * window - 1));
    }
    for window in [C::WINDOWS - 2, C::WINDOWS - 1] {
        out.extend((1..256).step_by(2).map(|digit| shifted(2 * digit, 8 * window)));
    }
    let reduced = out.into_iter().map(|mut k| {
        while !scalar::in_range(&k, &C::ORDER) {
            k = scalar::sub(&k, &C::ORDER).0;
        }
        k
    });
    reduced.flat_map(|k| [k, scalar::sub(&C::ORDER, &k).0]).collect()
}

fn points_match_oracle<L: Lanes, C: Curve<N>, const N: usize>(lanes: L, keys: usize) {
    let mut batch = Batch::<L, C, N>::new(lanes);
    let mut scalars = scalars::<C, N>(keys, 7);
    let mut flags = 0;
    let right: Vec<_> = scalars.iter().map(C::Oracle::multiply).collect();
    for turn in 0..LANES {
        assert!(batch.multiply(&scalars), "every point is on the curve");
        flags += usize::from(batch.mend(&scalars));
        for (key, scalar) in scalars.iter().enumerate() {
            let from = (key + turn) % scalars.len();
            assert_eq!(batch.point(key), right[from], "key {key}: {scalar:x?}");
        }
        // Each scalar in each lane.
        scalars.rotate_left(1);
    }
    assert_eq!(flags, LANES, "the edges meet the exception of the top window");
}

/// The sum over a batch is right for right points, and sees one wrong key.
fn sum_sees_a_wrong_key<L: Lanes, C: Curve<N>, const N: usize>(lanes: L) {
    let mut batch = Batch::<L, C, N>::new(lanes);
    for keys in [32, 96, 224] {
        let mut scalars = scalars::<C, N>(2048, 9).split_off(2048 - keys);
        assert!(batch.multiply(&scalars));
        assert!(batch.adds_up(&scalars));
        assert!(batch.multiply(&scalars));
        scalars[keys / 2] = scalars[0];
        assert!(!batch.adds_up(&scalars));
    }
}

macro_rules! curve_tests {
    ($($name:ident: $curve:ident, $digits:literal;)*) => {$(
        #[test]
        fn $name() {
            points_match_oracle::<_, curve::$curve, $digits>(Portable, 1024);
            if let Some(token) = Ifma::detect() {
                points_match_oracle::<_, curve::$curve, $digits>(token, 1024);
                sum_sees_a_wrong_key::<_, curve::$curve, $digits>(token);
            }
        }
    )*};
}

curve_tests! {
    p256_matches_oracle: P256, 5;
    p384_matches_oracle: P384, 8;
    p521_matches_oracle: P521, 11;
    secp256k1_matches_oracle: Secp256k1, 5;
    sm2_matches_oracle: Sm2, 5;
    ed25519_matches_oracle: Curve25519, 5;
}
