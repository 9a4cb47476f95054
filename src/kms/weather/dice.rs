//! `Dice`: numbers that look random and are a function of a seed and a place.
//!
//! `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014),
//! begun at a place that depends on both. They decide which calls fail on purpose and nothing else.

/// The draws of one request.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Those of request `number` under `seed`.
    pub(super) const fn new(seed: u64, number: u64) -> Self {
        Self(mix(seed) ^ mix(number.wrapping_add(GAMMA)))
    }

    /// The next draw, uniform over [0, 1).
    pub(super) const fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(GAMMA);
        (mix(self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
