//! Lanes against lanes, and keys against the portable crates.

use core::marker::PhantomData;

use num_bigint_dig::{BigInt, BigUint};

use super::EcEngine;
use super::batch::Batch;
use super::curve::{self, Curve, LIMBS_MAX, Scalar};
use super::field::{Element, Fp};
use super::lanes::{LANES, Lanes, Row, Task};
use super::oracle::Oracle;
use super::portable::Portable;
use super::scalar;
use crate::crypto::drbg::Drbg;
use crate::crypto::{Engine, KeyPairBatch};
use crate::spec::KeyPairSpec;
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
    if !bits.is_multiple_of(64) && bits / 64 + 1 < LIMBS_MAX {
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

/// Scalars for which the last two sums of strips meet. With `n = low + high` by strips, flipping
/// the digits of either makes their difference the order, and the scalar `n - 2 low` or its
/// negative. There are none for a single strip, nor where that exceeds the scalars.
fn strip_edges<C: Curve<N>, const N: usize>(strip: usize) -> Vec<Scalar> {
    let order = big(&C::ORDER);
    let recoded: BigInt = (&order >> 1) + (BigInt::from(1) << (8 * C::WINDOWS - 1));
    let digit = |window: usize| {
        let byte: BigInt = (&recoded >> (8 * window)) & BigInt::from(0xff);
        (byte * 2 - 255) << (8 * window)
    };
    let strips = C::WINDOWS.div_ceil(strip);
    let mut sums: Vec<BigInt> = (0..strips)
        .map(|s| (s * strip..C::WINDOWS.min((s + 1) * strip)).map(digit).sum())
        .collect();
    while sums.len() > 2 {
        let upper = sums.split_off(sums.len().div_ceil(2));
        for (sum, upper) in sums.iter_mut().zip(upper) {
            *sum += upper;
        }
    }
    let flipped: BigInt = &order - &sums[0] * 2;
    let k = if flipped < BigInt::default() { -flipped } else { flipped };
    // Scalars of Ed25519 are not reduced.
    let bound = if C::EDWARDS { BigInt::from(1) << 255 } else { order.clone() };
    if k > bound || strips == 1 {
        return Vec::new();
    }
    [k.clone(), order - k].iter().map(|k| scalar::from_bytes(&k.to_bytes_be().1)).collect()
}

fn big(limbs: &Scalar) -> BigInt {
    limbs.iter().rev().fold(BigInt::default(), |sum, limb| (sum << 64) + *limb)
}

fn points_match_oracle<L: Lanes, C: Curve<N>, const N: usize>(lanes: L, keys: usize) {
    let mut batch = Batch::<L, C, N>::with_room(lanes, keys);
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
    small_batches_match_oracle(&mut batch, &scalars);
}

/// Batches of few groups are cut into strips, whose sums can meet when they are added up.
fn small_batches_match_oracle<L: Lanes, C: Curve<N>, const N: usize>(
    batch: &mut Batch<L, C, N>,
    scalars: &[Scalar],
) {
    let mut met = 0;
    for keys in [1, 3, 8, 9, 16, 40, 96, 200, 520] {
        let mut scalars = scalars[..keys].to_vec();
        let edges = strip_edges::<C, N>(batch.strip(Batch::<L, C, N>::groups(keys)));
        let used = keys.min(edges.len());
        scalars[..used].copy_from_slice(&edges[..used]);
        assert!(batch.multiply(&scalars), "every point is on the curve");
        let mended = batch.mend(&scalars);
        assert!(mended || used == 0, "the sums of strips meet in a batch of {keys}");
        met += used;
        for (key, scalar) in scalars.iter().enumerate() {
            assert_eq!(batch.point(key), C::Oracle::multiply(scalar), "{key} of {keys} keys");
        }
    }
    assert!(met > 0);
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

/// Field operations on extreme and random operands, all lanes different.
struct Operations<'a, C, const N: usize> {
    a: &'a Element<N>,
    b: &'a Element<N>,
    invert: bool,
    field: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Operations<'_, C, N> {
    type Output = [Element<N>; 6];

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Self::Output {
        let fp = Fp::<L, C, N>::new(lanes);
        let (a, b) = (fp.load(self.a), fp.load(self.b));
        let results = [
            fp.mul(&a, &b),
            fp.square(&a),
            fp.sub(&a, &b),
            fp.add(&a, &b),
            fp.decode(&a),
            if self.invert { fp.decode(&fp.mul(&fp.invert(&a), &a)) } else { a },
        ];
        let mut out = [[Row::default(); N]; 6];
        for (element, digits) in out.iter_mut().zip(results) {
            fp.store(element, digits);
        }
        out
    }
}

/// A weak reduction alone, of digits that were not carried.
struct Weak<'a, C, const N: usize>(&'a Element<N>, PhantomData<C>);

impl<C: Curve<N>, const N: usize> Task for Weak<'_, C, N> {
    type Output = Element<N>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Self::Output {
        let fp = Fp::<L, C, N>::new(lanes);
        let mut out = [Row::default(); N];
        fp.store(&mut out, fp.weak(fp.load(self.0)));
        out
    }
}

/// The digit below the top owes it a little, where the top holds a whole number of `2^bits`.
fn weak_reduction_takes_a_debt<C: Curve<N>, const N: usize>() {
    let signed = |i: usize| BigInt::from(C::P[i]) << (52 * i);
    let prime = (0..N).map(signed).sum::<BigInt>().to_biguint().unwrap();
    let mut drbg = Drbg::from_seed([4; 32]);
    let mut element = operand::<C, N>(&mut drbg, &prime);
    let mut expected = Vec::new();
    for lane in 0..LANES {
        let (wholes, debt) = (5 + lane as u64, 1 + 37 * lane as u64);
        element[N - 1].0[lane] = wholes << C::TOP_BITS;
        element[N - 2].0[lane] = 0;
        let (whole, debts) = (value(&element, lane), BigUint::from(debt) << (52 * (N - 2)));
        expected.push((whole - debts) % &prime);
        element[N - 2].0[lane] = debt.wrapping_neg();
    }
    let results = Portable.enter(Weak::<C, N>(&element, PhantomData));
    if let Some(token) = Ifma::detect() {
        assert_eq!(token.enter(Weak::<C, N>(&element, PhantomData)), results, "ifma = portable");
    }
    for (lane, expected) in expected.into_iter().enumerate() {
        assert!(results.iter().all(|row| row.0[lane] >> 52 == 0), "{}: lane {lane}", C::SPEC);
        assert_eq!(value(&results, lane) % &prime, expected, "{}: lane {lane}", C::SPEC);
    }
}

#[test]
fn a_weak_reduction_takes_what_the_digit_below_owes() {
    weak_reduction_takes_a_debt::<curve::P256, 5>();
    weak_reduction_takes_a_debt::<curve::P384, 8>();
    weak_reduction_takes_a_debt::<curve::P521, 11>();
    weak_reduction_takes_a_debt::<curve::Secp256k1, 5>();
    weak_reduction_takes_a_debt::<curve::Sm2, 5>();
    weak_reduction_takes_a_debt::<curve::Curve25519, 5>();
}

/// The value of one lane.
fn value<const N: usize>(element: &Element<N>, lane: usize) -> BigUint {
    element.iter().rev().fold(BigUint::default(), |sum, row| (sum << 52) + row.0[lane])
}

/// An element below `2 p`: extremes first, then random ones.
fn operand<C: Curve<N>, const N: usize>(drbg: &mut Drbg, prime: &BigUint) -> Element<N> {
    let mut element = [Row::default(); N];
    for lane in 0..LANES {
        let mut bytes = [0; 80];
        drbg.fill(&mut bytes);
        let random = BigUint::from_bytes_le(&bytes);
        let near = BigUint::from(u64::from(bytes[1] % 4));
        let number = match bytes[0] % 8 {
            0 => near,
            1 => prime - near,
            2 => prime + near,
            3 => prime * 2_u32 - 1_u32 - near,
            _ => random % (prime * 2_u32),
        };
        for (i, row) in element.iter_mut().enumerate() {
            let digit = (&number >> (52 * i)) % (BigUint::from(1_u32) << 52);
            row.0[lane] =
                digit.to_bytes_le().iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        }
    }
    element
}

fn field_matches_model<C: Curve<N>, const N: usize>(rounds: usize) {
    let one = BigUint::from(1_u32);
    let signed = |i: usize| BigInt::from(C::P[i]) << (52 * i);
    let prime = (0..N).map(signed).sum::<BigInt>().to_biguint().unwrap();
    let r = (&one << (52 * N)) % &prime;
    let r_inverse = r.modpow(&(&prime - 2_u32), &prime);
    let mut drbg = Drbg::from_seed([3; 32]);
    for round in 0..rounds {
        let (a, b) = (operand::<C, N>(&mut drbg, &prime), operand::<C, N>(&mut drbg, &prime));
        let invert = round % 64 == 0;
        let task = || Operations::<C, N> { a: &a, b: &b, invert, field: PhantomData };
        let results = Portable.enter(task());
        if let Some(token) = Ifma::detect() {
            assert_eq!(token.enter(task()), results, "round {round}: ifma = portable");
        }
        for lane in 0..LANES {
            let (a, b) = (value(&a, lane), value(&b, lane));
            let expected = [
                &a * &b * &r_inverse,
                &a * &a * &r_inverse,
                &a + &prime * 2_u32 - &b,
                &a + &b,
                &a * &r_inverse,
                if invert {
                    BigUint::from(u8::from((&a % &prime) != BigUint::default()))
                } else {
                    a
                },
            ];
            for (i, expected) in expected.iter().enumerate() {
                let result = value(&results[i], lane);
                assert_eq!(&result % &prime, expected % &prime, "round {round}, result {i}");
            }
            assert!(value(&results[0], lane) < &prime * 2_u32);
            assert!(value(&results[4], lane) < prime);
        }
    }
}

#[test]
fn fields_match_model() {
    field_matches_model::<curve::P256, 5>(200);
    field_matches_model::<curve::P384, 8>(200);
    field_matches_model::<curve::P521, 11>(200);
    field_matches_model::<curve::Secp256k1, 5>(200);
    field_matches_model::<curve::Sm2, 5>(200);
    field_matches_model::<curve::Curve25519, 5>(200);
}

/// Encodings have the sizes of the spec, parse, and hold matching halves.
#[test]
fn engine_fills_requests_of_every_size() {
    let Some(token) = Ifma::detect() else { return };
    let mut drbg = Drbg::from_seed([5; 32]);
    for spec in KeyPairSpec::ALL {
        let Some(mut engine) = EcEngine::new(spec, token) else { continue };
        for rows in [1, 7, 64, 5000] {
            let mut batch = KeyPairBatch::with_capacity(spec, rows);
            engine.generate(&mut drbg, &mut batch, rows).unwrap();
            assert_eq!(batch.len(), rows);
            for row in [0, rows / 2, rows - 1] {
                assert_eq!(batch.private_key_bytes(row), spec.private_key_bytes_max());
                let public = public_of(spec, batch.private_key(row));
                assert_eq!(public, batch.public_key(row), "{spec} row {row} of {rows}");
            }
        }
    }
}

/// The SPKI that a portable crate derives from a PKCS#8.
fn public_of(spec: KeyPairSpec, private: &[u8]) -> Vec<u8> {
    use p256::pkcs8::{DecodePrivateKey, EncodePublicKey};
    macro_rules! derive {
        ($curve:ident) => {{
            let key = $curve::SecretKey::from_pkcs8_der(private).unwrap();
            key.public_key().to_public_key_der().unwrap().into_vec()
        }};
    }
    match spec {
        KeyPairSpec::EccNistP256 => derive!(p256),
        KeyPairSpec::EccNistP384 => derive!(p384),
        KeyPairSpec::EccNistP521 => derive!(p521),
        KeyPairSpec::EccSecgP256k1 => derive!(k256),
        KeyPairSpec::Sm2 => derive!(sm2),
        _ => {
            let head = [0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
            assert_eq!(private[..16], head);
            let seed = private[16..].try_into().unwrap();
            let key = ed25519_dalek::SigningKey::from_bytes(seed).verifying_key();
            let mut spki = vec![0x30, 42, 0x30, 5, 6, 3, 43, 101, 112, 3, 33, 0];
            spki.extend(key.to_bytes());
            spki
        }
    }
}

fn a_million_keys_match_oracle<C: Curve<N>, const N: usize>() {
    let Some(token) = Ifma::detect() else { return };
    let mut batch = Batch::<Ifma, C, N>::new(token);
    for seed in 0..=244 {
        let scalars = scalars::<C, N>(4096, seed);
        assert!(batch.multiply(&scalars));
        batch.mend(&scalars);
        for (key, scalar) in scalars.iter().enumerate() {
            assert_eq!(batch.point(key), C::Oracle::multiply(scalar), "{scalar:x?}");
        }
    }
}

macro_rules! bulk_tests {
    ($($keys:ident, $field:ident: $curve:ident, $digits:literal;)*) => {$(
        #[test]
        #[ignore = "takes minutes: 10^6 portable scalar multiplications"]
        fn $keys() {
            a_million_keys_match_oracle::<curve::$curve, $digits>();
        }

        #[test]
        #[ignore = "takes minutes: 10^6 operands through a big-integer model"]
        fn $field() {
            field_matches_model::<curve::$curve, $digits>(125_000);
        }
    )*};
}

bulk_tests! {
    a_million_p256_keys, a_million_p256_operands: P256, 5;
    a_million_p384_keys, a_million_p384_operands: P384, 8;
    a_million_p521_keys, a_million_p521_operands: P521, 11;
    a_million_secp256k1_keys, a_million_secp256k1_operands: Secp256k1, 5;
    a_million_sm2_keys, a_million_sm2_operands: Sm2, 5;
    a_million_ed25519_keys, a_million_ed25519_operands: Curve25519, 5;
}
