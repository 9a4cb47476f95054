//! `Lanes`: eight 64-bit numbers at a time, and the portable instance that defines them.
//!
//! The curve arithmetic is written once over this trait. [`Portable`] says what every operation
//! means; the IFMA instance must agree with it bit by bit. All methods are inlined, and none
//! carries a target feature: a hot loop is a [`Task`], and [`Lanes::enter`] leads into the one
//! function that has the features on, where the whole loop is inlined.

/// Numbers computed at a time.
pub(super) const LANES: usize = 8;

/// Bits of a digit, the operand width of the multiply-add.
pub(super) const DIGIT_BITS: u32 = 52;

/// The largest digit.
pub(super) const DIGIT_MASK: u64 = (1 << DIGIT_BITS) - 1;

/// Eight numbers as they lie in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub(super) struct Row(pub(super) [u64; LANES]);

impl zeroize::DefaultIsZeroes for Row {}

/// A computation that runs with the features of a kernel switched on.
pub(super) trait Task {
    /// What it leaves.
    type Output;

    /// Runs on `lanes`; always inlined, as is everything it calls.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// Eight-lane integer arithmetic modulo `2^64`. A mask has bit `i` for lane `i`.
pub(super) trait Lanes: Copy + Send + 'static {
    /// Eight numbers in registers.
    type V: Copy;

    /// Runs `task` with the features of the kernel.
    fn enter<T: Task>(self, task: T) -> T::Output;
    /// The same number in every lane.
    fn splat(self, value: u64) -> Self::V;
    /// From memory.
    fn load(self, row: &Row) -> Self::V;
    /// To memory.
    fn store(self, row: &mut Row, value: Self::V);
    /// `c + low 52 bits of a b`, of the low 52 bits of `a` and `b`.
    fn madd_lo(self, c: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// `c + bits 52 to 103 of a b`, of the low 52 bits of `a` and `b`.
    fn madd_hi(self, c: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise and.
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise exclusive or.
    fn xor(self, a: Self::V, b: Self::V) -> Self::V;
    /// Shift right by `BITS`, copies of the sign coming in.
    fn sar<const BITS: u32>(self, a: Self::V) -> Self::V;
    /// Shift right by a number of bits that is no secret and below 64.
    fn shr(self, a: Self::V, bits: usize) -> Self::V;
    /// The lanes where `a = b`.
    fn eq(self, a: Self::V, b: Self::V) -> u8;
    /// The lanes where `a`, as a signed number, is negative.
    fn negative(self, a: Self::V) -> u8;
    /// `b` in the lanes of `mask`, `a` in the others.
    fn select(self, mask: u8, a: Self::V, b: Self::V) -> Self::V;
    /// Per lane the entry of `low || high` that the four low bits of `index` name.
    fn pick16(self, index: Self::V, low: Self::V, high: Self::V) -> Self::V;
}

/// Plain integers: the definition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

#[inline(always)]
fn product(a: u64, b: u64) -> u128 {
    u128::from(a & DIGIT_MASK) * u128::from(b & DIGIT_MASK)
}

#[inline(always)]
fn zip(a: [u64; LANES], b: [u64; LANES], f: impl Fn(u64, u64) -> u64) -> [u64; LANES] {
    core::array::from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn mask_where(f: impl Fn(usize) -> bool) -> u8 {
    (0..LANES).fold(0, |mask, i| mask | u8::from(f(i)) << i)
}

impl Lanes for Portable {
    type V = [u64; LANES];

    fn enter<T: Task>(self, task: T) -> T::Output {
        task.run(self)
    }

    #[inline(always)]
    fn splat(self, value: u64) -> Self::V {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, row: &Row) -> Self::V {
        row.0
    }

    #[inline(always)]
    fn store(self, row: &mut Row, value: Self::V) {
        row.0 = value;
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked to 52 bits")]
    fn madd_lo(self, c: Self::V, a: Self::V, b: Self::V) -> Self::V {
        let low = zip(a, b, |a, b| product(a, b) as u64 & DIGIT_MASK);
        zip(c, low, u64::wrapping_add)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a product has 104 bits")]
    fn madd_hi(self, c: Self::V, a: Self::V, b: Self::V) -> Self::V {
        let high = zip(a, b, |a, b| (product(a, b) >> DIGIT_BITS) as u64);
        zip(c, high, u64::wrapping_add)
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, u64::wrapping_add)
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, u64::wrapping_sub)
    }

    #[inline(always)]
    fn and(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a & b)
    }

    #[inline(always)]
    fn xor(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a ^ b)
    }

    #[inline(always)]
    fn sar<const BITS: u32>(self, a: Self::V) -> Self::V {
        a.map(|a| (a.cast_signed() >> BITS).cast_unsigned())
    }

    #[inline(always)]
    fn shr(self, a: Self::V, bits: usize) -> Self::V {
        a.map(|a| a >> bits)
    }

    #[inline(always)]
    fn eq(self, a: Self::V, b: Self::V) -> u8 {
        mask_where(|i| a[i] == b[i])
    }

    #[inline(always)]
    fn negative(self, a: Self::V) -> u8 {
        mask_where(|i| a[i].cast_signed() < 0)
    }

    #[inline(always)]
    fn select(self, mask: u8, a: Self::V, b: Self::V) -> Self::V {
        core::array::from_fn(|i| {
            let keep = u64::from(mask >> i & 1).wrapping_sub(1);
            (a[i] & keep) | (b[i] & !keep)
        })
    }

    #[inline(always)]
    fn pick16(self, index: Self::V, low: Self::V, high: Self::V) -> Self::V {
        index.map(|index| {
            let half = if index & 8 == 0 { low } else { high };
            half[usize::try_from(index & 7).unwrap_or(0)]
        })
    }
}
