//! Lanes against lanes, and keys against the portable crates.


use super::batch::Batch;
use super::curve::{self, Curve, Scalar};
use super::lanes::{Lanes, Portable};
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
    (0..keys).map(|_| random()).collect()
}

fn points_match_oracle<L: Lanes, C: Curve<N>, const N: usize>(lanes: L) {
    let mut batch = Batch::<L, C, N>::new(lanes);
    let scalars = scalars::<C, N>(64, 7);
    assert!(batch.multiply(&scalars), "every point is on the curve");
    batch.mend(&scalars);
    for (key, scalar) in scalars.iter().enumerate() {
        assert_eq!(batch.point(key), C::Oracle::multiply(scalar), "key {key}: {scalar:x?}");
    }
    assert!(batch.adds_up(&scalars));
}

macro_rules! curve_tests {
    ($($name:ident: $curve:ident, $digits:literal;)*) => {$(
        #[test]
        fn $name() {
            points_match_oracle::<_, curve::$curve, $digits>(Portable);
            if let Some(token) = Ifma::detect() {
                points_match_oracle::<_, curve::$curve, $digits>(token);
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
