//! The same curves by the portable crates: what the lanes are checked against.

use core::fmt::Debug;
use core::marker::PhantomData;

use curve25519_dalek::edwards::CompressedEdwardsY;
use p256::elliptic_curve::array::typenum::Unsigned;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, Sec1Point, ToSec1Point};
use p256::elliptic_curve::{
    CurveArithmetic, FieldBytesSize, Group as _, PrimeField, ProjectivePoint,
};
use zeroize::Zeroize;

use super::curve::Scalar;

/// Longest coordinate, in bytes.
pub(super) const COORDINATE_BYTES_MAX: usize = 66;

/// Two coordinates, big-endian, at the end of their arrays.
pub(super) type Point = [[u8; COORDINATE_BYTES_MAX]; 2];

/// A curve computed by a crate that shares nothing with the lanes.
pub(super) trait Oracle: Debug + Send + Sync + 'static {
    /// `scalar` times the generator, in constant time.
    fn multiply(scalar: &Scalar) -> Point;

    /// Whether the points add up to `sum` times the generator.
    ///
    /// `sum` may exceed the order. `false` too if some point is not on the curve.
    fn adds_up(points: &[Point], sum: &Scalar) -> bool;
}

/// A curve of the family of crates around `elliptic-curve`.
#[derive(Debug)]
pub(super) struct Sec1<C>(PhantomData<C>);

/// `limbs` modulo the order, by Horner's rule.
fn reduce<F: PrimeField>(limbs: &Scalar) -> F {
    let half = F::from(1 << 32);
    let shift = half * half;
    limbs.iter().rev().fold(F::ZERO, |sum, &limb| sum * shift + F::from(limb))
}

impl<C> Oracle for Sec1<C>
where
    C: CurveArithmetic + Debug + Send + Sync + 'static,
    FieldBytesSize<C>: ModulusSize,
    C::AffinePoint: FromSec1Point<C> + ToSec1Point<C>,
{
    fn multiply(scalar: &Scalar) -> Point {
        let product = ProjectivePoint::<C>::mul_by_generator(&reduce::<C::Scalar>(scalar));
        let affine: C::AffinePoint = product.into();
        let bytes = affine.to_sec1_point(false);
        let width = FieldBytesSize::<C>::USIZE;
        let mut point = [[0; COORDINATE_BYTES_MAX]; 2];
        for (coordinate, from) in point.iter_mut().zip(bytes.as_bytes()[1..].chunks(width)) {
            coordinate[COORDINATE_BYTES_MAX - width..].copy_from_slice(from);
        }
        point
    }

    fn adds_up(points: &[Point], sum: &Scalar) -> bool {
        let mut total = ProjectivePoint::<C>::identity();
        let start = COORDINATE_BYTES_MAX - FieldBytesSize::<C>::USIZE;
        for [x, y] in points {
            let mut bytes = vec![4];
            bytes.extend_from_slice(&x[start..]);
            bytes.extend_from_slice(&y[start..]);
            let Ok(encoded) = Sec1Point::<C>::from_bytes(&bytes) else { return false };
            let point = C::AffinePoint::from_sec1_point(&encoded);
            if !bool::from(point.is_some()) {
                return false;
            }
            total += point.unwrap_or_default();
        }
        total == ProjectivePoint::<C>::mul_by_generator(&reduce::<C::Scalar>(sum))
    }
}

/// Edwards25519, by curve25519-dalek. Points are Edwards points here.
#[derive(Debug)]
pub(super) struct Edwards;

impl Edwards {
    /// `sum limb_i 2^(64 i)` modulo the order.
    fn reduce(limbs: &Scalar) -> curve25519_dalek::Scalar {
        let mut bytes = [0; 64];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(limbs) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        let scalar = curve25519_dalek::Scalar::from_bytes_mod_order_wide(&bytes);
        bytes.zeroize();
        scalar
    }
}

/// The encoding of an Edwards point (RFC 8032 5.1.2).
fn compress([x, y]: &Point) -> CompressedEdwardsY {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&y[COORDINATE_BYTES_MAX - 32..]);
    bytes.reverse();
    bytes[31] |= x[COORDINATE_BYTES_MAX - 1] << 7;
    CompressedEdwardsY(bytes)
}

impl Oracle for Edwards {
    fn multiply(scalar: &Scalar) -> Point {
        let product = curve25519_dalek::EdwardsPoint::mul_base(&Self::reduce(scalar)).compress();
        let mut bytes = product.to_bytes();
        let mut point = [[0; COORDINATE_BYTES_MAX]; 2];
        point[0][COORDINATE_BYTES_MAX - 1] = bytes[31] >> 7;
        bytes[31] &= 0x7f;
        bytes.reverse();
        point[1][COORDINATE_BYTES_MAX - 32..].copy_from_slice(&bytes);
        point
    }

    fn adds_up(points: &[Point], sum: &Scalar) -> bool {
        let mut total = curve25519_dalek::EdwardsPoint::default();
        for point in points {
            let Some(point) = compress(point).decompress() else { return false };
            total += point;
        }
        total == curve25519_dalek::EdwardsPoint::mul_base(&Self::reduce(sum))
    }
}
