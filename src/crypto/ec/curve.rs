//! The six curves: parameters, and the crates that check them.
//!
//! NIST curves from SP 800-186, secp256k1 from SEC 2, SM2 from GB/T 32918.5. Ed25519 is computed
//! on the short Weierstrass curve that it is isomorphic to (RFC 7748 and SP 800-186 B.1): with
//! `u = (1 + y) / (1 - y)` the Montgomery abscissa and `A = 486662`, the point is
//! `(u + A/3, v)`. So one addition formula serves all six.

use std::sync::OnceLock;

use super::field::Prime;
use super::oracle::{self, Oracle};
use super::table::Table;
use crate::spec::KeyPairSpec;

/// 64-bit limbs of the widest recoded scalar.
pub(super) const LIMBS_MAX: usize = 9;

/// A scalar, least significant limb first.
pub(super) type Scalar = [u64; LIMBS_MAX];

/// A curve of prime order (or the prime-order part of one) over the field of `N` digits.
pub(super) trait Curve<const N: usize>: Prime<N> {
    /// The spec it serves.
    const SPEC: KeyPairSpec;
    /// Order of the generator, odd.
    const ORDER: Scalar;
    /// Coefficient `a` of `y^2 = x^3 + a x + b`, and the generator, in hexadecimal.
    const A: &'static str;
    /// Abscissa of the generator.
    const X: &'static str;
    /// Ordinate of the generator.
    const Y: &'static str;
    /// Whether points leave as those of the Edwards curve.
    const EDWARDS: bool = false;
    /// Arithmetic that shares nothing with the lanes.
    type Oracle: Oracle;
    /// The table of the process, built by the first to ask.
    fn table(build: impl FnOnce() -> Table<N>) -> &'static Table<N>;

    /// Bytes of a coordinate.
    const COORDINATE_BYTES: usize = Self::BITS.div_ceil(8);
    /// Windows of a scalar.
    const WINDOWS: usize = Self::COORDINATE_BYTES;
}

/// Hexadecimal digits to limbs.
///
/// # Panics
///
/// If the text is no number of up to nine limbs; it is constant.
pub(super) const fn limbs(hex: &str) -> Scalar {
    let hex = hex.as_bytes();
    let mut out = [0; LIMBS_MAX];
    let mut i = 0;
    while i < hex.len() {
        let digit = match hex[hex.len() - 1 - i] {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'a'..=b'f' => digit - b'a' + 10,
            _ => panic!("curve parameters are hexadecimal"),
        };
        out[i / 16] |= (digit as u64) << (4 * (i % 16));
        i += 1;
    }
    out
}

macro_rules! curve {
    ($(#[$doc:meta])* $name:ident, $digits:literal, $bits:literal, $p:expr, $inverse:expr,
     $spec:ident, $oracle:ty, $n:literal, $a:literal, $x:literal, $y:literal $(, $edwards:literal)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(super) struct $name;

        impl Prime<$digits> for $name {
            const BITS: usize = $bits;
            const P: [i64; $digits] = $p;
            const INVERSE: &'static [(usize, usize, usize)] = &$inverse;
        }

        impl Curve<$digits> for $name {
            const SPEC: KeyPairSpec = KeyPairSpec::$spec;
            const ORDER: Scalar = limbs($n);
            const A: &'static str = $a;
            const X: &'static str = $x;
            const Y: &'static str = $y;
            $(const EDWARDS: bool = $edwards;)?
            type Oracle = $oracle;

            fn table(build: impl FnOnce() -> Table<$digits>) -> &'static Table<$digits> {
                static TABLE: OnceLock<Table<$digits>> = OnceLock::new();
                TABLE.get_or_init(build)
            }
        }
    };
}

curve!(
    /// NIST P-256: `p = 2^256 - 2^224 + 2^192 + 2^96 - 1`.
    P256, 5, 256, [-1, 1 << 44, 0, 1 << 36, (1 << 48) - (1 << 16)],
    // 2, 3, 6, 12, 15, 30 and 32 ones; then the words of p - 2 from the top.
    [
        (0, 1, 0), (1, 1, 0), (2, 3, 2), (3, 6, 3), (4, 3, 2), (5, 15, 5), (6, 2, 1),
        (7, 32, 0), (8, 128, 7), (9, 32, 7), (10, 30, 6), (11, 2, 0),
    ],
    EccNistP256, oracle::Sec1<p256::NistP256>,
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
);
