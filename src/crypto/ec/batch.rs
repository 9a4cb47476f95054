//! One batch of keys from scalars to encodings, with its checks.

use core::marker::PhantomData;

use sha2::{Digest, Sha512};
use zeroize::Zeroize;

use super::curve::{Curve, LIMBS_MAX, Scalar};
use super::kernel::{ABREAST, Multiply, Total, Work};
use super::lanes::{LANES, Lanes};
use super::oracle::{COORDINATE_BYTES_MAX, Oracle, Point};
use super::scalar;
use super::table::{self, Table};
use crate::crypto::der;
use crate::crypto::drbg::Drbg;
use crate::crypto::engine::GenerateError;
use crate::crypto::key_pair::KeyPairBatch;
use crate::crypto::laps::Stage;
use crate::secret::Secret;

/// Keys of a batch: with 1.1 MB (256 bits) to 2.1 MB (521 bits) of work it still streams through
/// a second-level cache of 2 MB, and an inversion costs a key a few nanoseconds.
const KEYS_MAX: usize = 4096;

/// Makes key pairs, whatever the curve.
pub(super) trait Generate: Send {
    /// As [`Engine::generate`](crate::crypto::engine::Engine::generate).
    fn generate(
        &mut self,
        drbg: &mut Drbg,
        out: &mut KeyPairBatch,
        rows: usize,
    ) -> Result<(), GenerateError>;
}

/// The memory of a batch of keys on the curve `C`.
pub(super) struct Batch<L, C, const N: usize> {
    lanes: L,
    pub(super) work: Work<N>,
    table: &'static Table<N>,
    /// What is encoded as the private key: big-endian scalars, or seeds.
    secrets: Secret<Vec<u8>>,
    scalars: Secret<Vec<Scalar>>,
    curve: PhantomData<C>,
}

impl<L: Lanes, C: Curve<N>, const N: usize> Batch<L, C, N> {
    /// Allocates a batch.
    pub(super) fn new(lanes: L) -> Self {
        Self::with_room(lanes, KEYS_MAX)
    }

    /// Allocates a batch of up to `keys` keys.
    pub(super) fn with_room(lanes: L, keys: usize) -> Self {
        Self {
            lanes,
            work: Work::new(keys / LANES),
            table: C::table(|| lanes.enter(table::Build::<C, N>(PhantomData))),
            secrets: Secret::new(vec![0; keys * C::COORDINATE_BYTES]),
            scalars: Secret::new(vec![[0; LIMBS_MAX]; keys]),
            curve: PhantomData,
        }
    }

    /// Groups that `keys` keys take, with padding to a whole team of groups.
    pub(super) fn groups(keys: usize) -> usize {
        keys.div_ceil(LANES).next_multiple_of(ABREAST)
    }

    /// Windows of a strip: as many strips as the memory of the batch holds.
    pub(super) fn strip(&self, groups: usize) -> usize {
        let strips = self.work.room() / groups;
        (2..=C::WINDOWS)
            .find(|strip| C::WINDOWS.is_multiple_of(*strip) && C::WINDOWS / strip <= strips)
            .unwrap_or(C::WINDOWS)
    }

    /// Draws the scalars of `keys` keys, and of the lanes that pad the last groups.
    fn draw(&mut self, drbg: &mut Drbg, keys: usize) {
        let padded = Self::groups(keys) * LANES;
        let bytes = C::COORDINATE_BYTES;
        let secrets = &mut self.secrets.expose_mut()[..padded * bytes];
        drbg.fill(secrets);
        let scalars = self.scalars.expose_mut().iter_mut();
        for (secret, scalar) in secrets.chunks_exact_mut(bytes).zip(scalars) {
            *scalar = if C::EDWARDS { expand(secret) } else { scalar::draw::<C, N>(drbg, secret) };
        }
    }

    /// Points from the scalars; leaves whether all are on the curve.
    pub(super) fn multiply(&mut self, scalars: &[Scalar]) -> bool {
        for (key, scalar) in scalars.iter().enumerate() {
            scalar::enter::<C, N>(&mut self.work, key, scalar);
        }
        let groups = Self::groups(scalars.len());
        let lanes = self.lanes;
        lanes.enter(self.multiplication(groups)) == 0
    }

    fn multiplication(&mut self, groups: usize) -> Multiply<'_, C, N> {
        let strip = self.strip(groups);
        Multiply { work: &mut self.work, table: self.table, groups, strip, curve: PhantomData }
    }

    /// Computes the flagged keys anew by the complete formulas of the portable crate.
    pub(super) fn mend(&mut self, scalars: &[Scalar]) -> bool {
        let mut mended = false;
        for (key, scalar) in scalars.iter().enumerate() {
            let (group, lane) = (key / LANES, key % LANES);
            if self.work.flagged[group] >> lane & 1 == 0 {
                continue;
            }
            mended = true;
            let point = C::Oracle::multiply(scalar);
            let sum = &mut self.work.sums[group];
            for (coordinate, element) in point.iter().zip([&mut sum.dx, &mut sum.dy]) {
                let limbs = scalar::from_bytes(coordinate);
                for (i, row) in element.iter_mut().enumerate() {
                    row.0[lane] = table::digit_of(&limbs, i);
                }
            }
        }
        mended
    }

    /// The point of `key` as it left the lanes.
    pub(super) fn point(&self, key: usize) -> Point {
        let mut point = [[0; COORDINATE_BYTES_MAX]; 2];
        for (which, coordinate) in point.iter_mut().enumerate() {
            let start = COORDINATE_BYTES_MAX - C::COORDINATE_BYTES;
            self.write_coordinate(key, which, &mut coordinate[start..]);
        }
        if C::EDWARDS {
            // As in its encoding, an Edwards point has only the parity of its abscissa.
            let odd = point[0][COORDINATE_BYTES_MAX - 1] & 1;
            point[0] = [0; COORDINATE_BYTES_MAX];
            point[0][COORDINATE_BYTES_MAX - 1] = odd;
        }
        point
    }

    /// Writes a coordinate, big-endian.
    fn write_coordinate(&self, key: usize, which: usize, out: &mut [u8]) {
        let (group, lane) = (key / LANES, key % LANES);
        let element =
            if which == 0 { &self.work.sums[group].dx } else { &self.work.sums[group].dy };
        let mut limbs = [0_u64; LIMBS_MAX + 1];
        for (i, row) in element.iter().enumerate() {
            let (limb, shift) = (i * 52 / 64, i * 52 % 64);
            limbs[limb] |= row.0[lane] << shift;
            if shift > 12 {
                limbs[limb + 1] |= row.0[lane] >> (64 - shift);
            }
        }
        for (chunk, limb) in out.rchunks_mut(8).zip(limbs) {
            let bytes = limb.to_be_bytes();
            chunk.copy_from_slice(&bytes[8 - chunk.len()..]);
        }
    }

    /// Writes what an SPKI holds of a point.
    fn write_point(&self, key: usize, out: &mut [u8]) {
        let (x, y) = out.split_at_mut(if C::EDWARDS { 0 } else { C::COORDINATE_BYTES });
        self.write_coordinate(key, 1, y);
        if C::EDWARDS {
            y.reverse();
            let odd = self.work.sums[key / LANES].dx[0].0[key % LANES] & 1;
            y[31] |= u8::try_from(odd << 7).unwrap_or(0);
        } else {
            self.write_coordinate(key, 0, x);
        }
    }

    /// Encodes the first `keys` keys.
    fn encode(&self, out: &mut KeyPairBatch, keys: usize) {
        let secrets = self.secrets.expose().chunks_exact(C::COORDINATE_BYTES);
        for (key, secret) in secrets.take(keys).enumerate() {
            // The tag of an uncompressed point, if it is one; overwritten if not.
            let mut point = [4; 1 + 2 * COORDINATE_BYTES_MAX];
            let point = &mut point[..C::SPKI_POINT_BYTES];
            let tag = usize::from(!C::EDWARDS);
            self.write_point(key, &mut point[tag..]);
            out.push_with(|spki, pkcs8| der::write_fixed(C::SPEC, secret, point, spki, pkcs8));
        }
    }

    /// Whether the points of the batch add up to the sum of its scalars. Uses up the points.
    pub(super) fn adds_up(&mut self, scalars: &[Scalar]) -> bool {
        let groups = Self::groups(scalars.len());
        let lanes = self.lanes;
        let on_curve = lanes.enter(Total(self.multiplication(groups))) == 0;
        if self.work.flagged[..groups].iter().any(|&lanes| lanes != 0) {
            // Two partial sums met, which random points never do: look at each key instead.
            return self.multiply(scalars) && !self.mend(scalars) && self.all_match(scalars);
        }
        let points: Vec<Point> =
            (0..groups.min(ABREAST) * LANES).map(|key| self.point(key)).collect();
        let mut total = [0; LIMBS_MAX];
        for scalar in scalars {
            scalar::accumulate(&mut total, scalar);
        }
        let right = on_curve && C::Oracle::adds_up(&points, &total);
        total.zeroize();
        right
    }

    /// One batch of `keys` keys; `false` if a check failed.
    fn run(&mut self, drbg: &mut Drbg, out: &mut KeyPairBatch, keys: usize) -> bool {
        self.draw(drbg, keys);
        out.lap(Stage::Scalar);
        let padded = Self::groups(keys) * LANES;
        let scalars = core::mem::take(self.scalars.expose_mut());
        let used = &scalars[..padded];
        let on_curve = self.multiply(used);
        let mended = self.mend(used);
        out.lap(Stage::Key);
        self.encode(out, keys);
        out.lap(Stage::Der);
        let right = on_curve && self.sample_matches(drbg, &used[..keys]) && {
            if mended { self.all_match(used) } else { self.adds_up(used) }
        };
        *self.scalars.expose_mut() = scalars;
        self.wipe(padded);
        out.lap(Stage::Check);
        right
    }

    /// Whether one key, chosen at random, is what the portable crate computes.
    fn sample_matches(&self, drbg: &mut Drbg, scalars: &[Scalar]) -> bool {
        let mut word = [0; 4];
        drbg.fill(&mut word);
        let key = usize::try_from(u32::from_le_bytes(word)).unwrap_or(0) % scalars.len();
        self.point(key) == C::Oracle::multiply(&scalars[key])
    }

    /// Whether every key is what the portable crate computes: slow, for batches with a flag.
    fn all_match(&self, scalars: &[Scalar]) -> bool {
        let mut keys = scalars.iter().enumerate();
        keys.all(|(key, scalar)| self.point(key) == C::Oracle::multiply(scalar))
    }

    /// Zeroes what the last `keys` keys left.
    fn wipe(&mut self, keys: usize) {
        self.secrets.expose_mut()[..keys * C::COORDINATE_BYTES].zeroize();
        self.scalars.expose_mut()[..keys].as_flattened_mut().zeroize();
        let groups = keys / LANES;
        self.work.wipe(groups, C::WINDOWS / self.strip(groups) * groups);
    }
}

impl<L: Lanes, C: Curve<N>, const N: usize> Generate for Batch<L, C, N> {
    fn generate(
        &mut self,
        drbg: &mut Drbg,
        out: &mut KeyPairBatch,
        rows: usize,
    ) -> Result<(), GenerateError> {
        assert!(out.spec() == C::SPEC, "the batch is of another spec");
        let mut left = rows;
        while left > 0 {
            let keys = left.min(self.work.room() * LANES);
            if !self.run(drbg, out, keys) {
                return Err(GenerateError { spec: C::SPEC });
            }
            left -= keys;
        }
        Ok(())
    }
}

/// The scalar of an Ed25519 seed.
fn expand(seed: &[u8]) -> Scalar {
    let mut hash: [u8; 64] = Sha512::digest(seed).into();
    hash[..32].reverse();
    hash[0] = hash[0] & 0x7f | 0x40;
    hash[31] &= 0xf8;
    let scalar = scalar::from_bytes(&hash[..32]);
    hash.zeroize();
    scalar
}
