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

#[test]
fn p256_matches_oracle() {
    points_match_oracle::<_, curve::P256, 5>(Portable);
    if let Some(token) = Ifma::detect() {
        points_match_oracle::<_, curve::P256, 5>(token);
    }
}
