//! The portable instance of [`Lanes`]: plain integers, the definition of every operation.
//!
//! Built for the tests only. A machine without IFMA is better served by the portable crates than
//! by lanes that it does not have. Each operation is a call, else these instances of the curve
//! arithmetic would be most of what the compiler has to do.

use super::lanes::{DIGIT_BITS, DIGIT_MASK, LANES, Lanes, Row, Task};

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

    #[inline(never)]
    fn splat(self, value: u64) -> Self::V {
        [value; LANES]
    }

    #[inline(never)]
    fn load(self, row: &Row) -> Self::V {
        row.0
    }

    #[inline(never)]
    fn store(self, row: &mut Row, value: Self::V) {
        row.0 = value;
    }

    #[inline(never)]
    #[expect(clippy::cast_possible_truncation, reason = "masked to 52 bits")]
    fn madd_lo(self, c: Self::V, a: Self::V, b: Self::V) -> Self::V {
        let low = zip(a, b, |a, b| product(a, b) as u64 & DIGIT_MASK);
        zip(c, low, u64::wrapping_add)
    }

    #[inline(never)]
    #[expect(clippy::cast_possible_truncation, reason = "a product has 104 bits")]
    fn madd_hi(self, c: Self::V, a: Self::V, b: Self::V) -> Self::V {
        let high = zip(a, b, |a, b| (product(a, b) >> DIGIT_BITS) as u64);
        zip(c, high, u64::wrapping_add)
    }

    #[inline(never)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, u64::wrapping_add)
    }

    #[inline(never)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, u64::wrapping_sub)
    }

    #[inline(never)]
    fn and(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a & b)
    }

    #[inline(never)]
    fn xor(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a ^ b)
    }

    #[inline(never)]
    fn sar<const BITS: u32>(self, a: Self::V) -> Self::V {
        a.map(|a| (a.cast_signed() >> BITS).cast_unsigned())
    }

    #[inline(never)]
    fn shr(self, a: Self::V, bits: usize) -> Self::V {
        a.map(|a| a >> bits)
    }

    #[inline(never)]
    fn eq(self, a: Self::V, b: Self::V) -> u8 {
        mask_where(|i| a[i] == b[i])
    }

    #[inline(never)]
    fn negative(self, a: Self::V) -> u8 {
        mask_where(|i| a[i].cast_signed() < 0)
    }

    #[inline(never)]
    fn select(self, mask: u8, a: Self::V, b: Self::V) -> Self::V {
        core::array::from_fn(|i| {
            let keep = u64::from(mask >> i & 1).wrapping_sub(1);
            (a[i] & keep) | (b[i] & !keep)
        })
    }

    #[inline(never)]
    fn pick16(self, mask: u8, index: Self::V, low: Self::V, high: Self::V) -> Self::V {
        let picked = index.map(|index| {
            let half = if index & 8 == 0 { low } else { high };
            half[usize::try_from(index & 7).unwrap_or(0)]
        });
        self.select(mask, index, picked)
    }
}
