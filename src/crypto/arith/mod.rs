#![doc = include_str!("ifma.md")]
#![expect(
    clippy::inline_always,
    clippy::needless_range_loop,
    clippy::return_self_not_must_use,
    unreachable_pub,
    reason = "arithmetic is inlined into code for the vector features; its results are all used"
)]

pub mod blocks;
mod exponent;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod lanes;
pub mod limbs;
mod modulus;
mod scalar;
mod schoolbook;

#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
pub use ifma::Zmm;
/// Stands for the register where there is none; [`Vectors`] cannot be made there.
#[cfg(not(target_arch = "x86_64"))]
pub use lanes::U64x8 as Zmm;
pub use lanes::{Lanes, U64x8};
pub use modulus::{Modulus, Scratch};
pub use scalar::Limbs;

use crate::sys::features::Ifma;

/// Numbers that travel together: one in each 64-bit element of a 512-bit register.
pub const LANES: usize = 8;

/// Bits of a digit.
pub const DIGIT_BITS: usize = 52;

/// The largest digit.
pub const DIGIT_MASK: u64 = (1 << DIGIT_BITS) - 1;

/// The same digit of eight numbers.
pub type Digit = [u64; LANES];

/// Eight numbers of `K` digits, least significant digit first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Eight<const K: usize>(pub [Digit; K]);

impl<const K: usize> Eight<K> {
    /// Eight zeros.
    pub const ZERO: Self = Self([[0; LANES]; K]);

    /// The number in `lane`, digit by digit.
    #[must_use]
    pub fn lane(&self, lane: usize) -> [u64; K] {
        core::array::from_fn(|digit| self.0[digit][lane])
    }

    /// Puts a number into `lane`.
    pub fn set_lane(&mut self, lane: usize, digits: &[u64; K]) {
        for (eight, &digit) in self.0.iter_mut().zip(digits) {
            eight[lane] = digit;
        }
    }

    /// Eight small numbers.
    #[must_use]
    pub fn small(value: u64) -> Self {
        let mut eight = Self::ZERO;
        eight.0[0] = [value; LANES];
        eight
    }
}

impl<const K: usize> zeroize::Zeroize for Eight<K> {
    fn zeroize(&mut self) {
        self.0.as_flattened_mut().zeroize();
    }
}

/// Bits of the moduli that `K` digits serve: the digits leave 16, 24 or 32 bits spare.
///
/// # Panics
///
/// For any other number of digits.
#[must_use]
pub const fn modulus_bits(digits: usize) -> usize {
    match digits {
        20 => 1024,
        30 => 1536,
        40 => 2048,
        _ => panic!("digits are 20, 30 or 40"),
    }
}

/// How a batch of eight numbers is computed with, and the instructions that is compiled for.
///
/// Holding a `Kernel` proves that the CPU has them, because [`Vectors`] can only be made from
/// the token of CPU detection. A kernel brings a register of eight elements; the batch
/// operations follow from it, unless the kernel has a quicker way to the same results.
pub trait Kernel: Copy + Send {
    /// Its register of eight elements.
    type V: Lanes;

    /// Runs `work` compiled for these instructions. Coarse work only: a whole batch of tests.
    fn run<R>(self, work: impl FnOnce() -> R) -> R;

    /// `2^(n-1) = 1 mod n`, one bit per lane.
    #[inline(always)]
    fn fermat<const K: usize>(self, modulus: &Modulus<K>, scratch: &mut Scratch) -> u8 {
        self.run(
            #[inline(always)]
            || exponent::fermat::<Self::V, K>(modulus, scratch),
        )
    }

    /// One round of Miller-Rabin to each lane's own base: whether n is a strong probable prime.
    #[inline(always)]
    fn miller_rabin<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        scratch: &mut Scratch,
    ) -> u8 {
        self.run(
            #[inline(always)]
            || exponent::miller_rabin::<Self::V, K>(modulus, base, scratch),
        )
    }

    /// `base^exponent mod n`, at most n, for `base < 2^bits`.
    #[inline(always)]
    fn power<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        exponent: &Eight<K>,
        scratch: &mut Scratch,
    ) -> Eight<K> {
        self.run(
            #[inline(always)]
            || exponent::power::<Self::V, K>(modulus, base, exponent, scratch),
        )
    }

    /// `base^65537 mod n`, at most n, for `base < 2^bits`.
    #[inline(always)]
    fn power_e<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        scratch: &mut Scratch,
    ) -> Eight<K> {
        self.run(
            #[inline(always)]
            || exponent::power_e::<Self::V, K>(modulus, base, scratch),
        )
    }

    /// `a * b = 1 mod n`, one bit per lane, for operands below `2^bits`.
    #[inline(always)]
    fn inverse_holds<const K: usize>(
        self,
        modulus: &Modulus<K>,
        a: &Eight<K>,
        b: &Eight<K>,
        scratch: &mut Scratch,
    ) -> u8 {
        self.run(
            #[inline(always)]
            || exponent::inverse_holds::<Self::V, K>(modulus, a, b, scratch),
        )
    }
}

/// Plain integers: defines what every other kernel must compute.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Kernel for Portable {
    type V = U64x8;

    #[inline(always)]
    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }
}

/// AVX-512 IFMA.
#[derive(Clone, Copy, Debug)]
pub struct Vectors(pub Ifma);

impl Kernel for Vectors {
    type V = Zmm;

    #[inline(always)]
    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        #[cfg(target_arch = "x86_64")]
        return ifma::run(self.0, work);
        #[cfg(not(target_arch = "x86_64"))]
        work()
    }
}
