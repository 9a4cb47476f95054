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
    /// Bytes of a public key within its SPKI: 04, x, y, or an encoded Edwards point.
    const SPKI_POINT_BYTES: usize =
        if Self::EDWARDS { Self::COORDINATE_BYTES } else { 1 + 2 * Self::COORDINATE_BYTES };
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

curve!(
    /// NIST P-384: `p = 2^384 - 2^128 - 2^96 + 2^32 - 1`.
    P384, 8, 384, [(1 << 32) - 1, -(1 << 44), -(1 << 24), 0, 0, 0, 0, 1 << 20],
    // 2, 3, 6, 12, 15, 30, 32, 60, 120, 240 and 255 ones; a zero and 32 ones; the words below.
    [
        (0, 1, 0), (1, 1, 0), (2, 3, 2), (3, 6, 3), (4, 3, 2), (5, 15, 5),
        (6, 2, 1), (6, 30, 6), (8, 60, 8), (9, 120, 9), (10, 15, 5), (11, 33, 7),
        (12, 94, 6), (13, 2, 0),
    ],
    EccNistP384, oracle::Sec1<p384::NistP384>,
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc",
    "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
    "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f"
);

curve!(
    /// NIST P-521: `p = 2^521 - 1`.
    P521, 11, 521, [-1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    // 2, 3, 4, 7, 8, 16 .. 512 and 519 ones; a zero and a one.
    [
        (0, 1, 0), (1, 1, 0), (1, 2, 1), (3, 3, 2), (3, 4, 3), (5, 8, 5),
        (6, 16, 6), (7, 32, 7), (8, 64, 8), (9, 128, 9), (10, 256, 10), (11, 7, 4),
        (12, 2, 0),
    ],
    EccNistP521, oracle::Sec1<p521::NistP521>,
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc",
    "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
    "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650"
);

curve!(
    /// secp256k1: `p = 2^256 - 2^32 - 977`.
    Secp256k1, 5, 256, [-((1 << 32) + 977), 0, 0, 0, 1 << 48],
    // 2, 3, 6, 9, 11, 22, 44, 88, 176, 220 and 223 ones; a zero and 22 ones; the low ten bits.
    [
        (0, 1, 0), (1, 1, 0), (2, 3, 2), (3, 3, 2), (4, 2, 1), (5, 11, 5),
        (6, 22, 6), (7, 44, 7), (8, 88, 8), (9, 44, 7), (10, 3, 2), (11, 23, 6),
        (12, 5, 0), (13, 3, 1), (14, 2, 0),
    ],
    EccSecgP256k1, oracle::Sec1<k256::Secp256k1>,
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    "0",
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
);

curve!(
    /// SM2: `p = 2^256 - 2^224 - 2^96 + 2^64 - 1`.
    Sm2, 5, 256, [-1, (1 << 12) - (1 << 44), 0, 0, (1 << 48) - (1 << 16)],
    // 2, 3, 6, 12, 15, 30, 31, 32, 64 and 62 ones; then p - 2 from the top.
    [
        (0, 1, 0), (1, 1, 0), (2, 3, 2), (3, 6, 3), (4, 3, 2), (5, 15, 5),
        (6, 1, 0), (7, 1, 0), (8, 32, 8), (8, 30, 6), (7, 65, 9), (11, 64, 9),
        (12, 94, 10), (13, 2, 0),
    ],
    Sm2, oracle::Sec1<sm2::Sm2>,
    "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123",
    "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc",
    "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7",
    "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
);

curve!(
    /// Curve25519, whose points leave as those of Ed25519: `p = 2^255 - 19`.
    Curve25519, 5, 255, [-19, 0, 0, 0, 1 << 47],
    // 2, 4, 5, 10, 20, 40, 50, 100, 200 and 250 ones; the low five bits.
    [
        (0, 1, 0), (1, 2, 1), (2, 1, 0), (3, 5, 3), (4, 10, 4), (5, 20, 5),
        (6, 10, 4), (7, 50, 7), (8, 100, 8), (9, 50, 7), (10, 2, 0), (11, 3, 1),
    ],
    EccNistEdwards25519, oracle::Edwards,
    "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed",
    "2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa984914a144",
    "2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad245a",
    "20ae19a1b8a086b4e01edd2c7748d14c923d4d7e6d7c61b229e9c5a27eced3d9", true
);
