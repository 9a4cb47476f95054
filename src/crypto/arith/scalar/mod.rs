//! `Limbs`: the kernel of CPUs without vector multiplication. One number after the other, in
//! limbs of 64 bits.
//!
//! # Four rows at a time
//!
//! Products and Montgomery reductions are sums of rows, a limb of one number times all of the
//! other. Row by row, every limb product would also load, add and store a limb of the sum. Here
//! four rows advance together ([`rows`]): a window of four limbs stays in registers, and a step
//! takes in one limb of the other number and puts out one finished limb. The same loop serves
//! all sizes, so that the whole arithmetic is a few kilobytes of code.
//!
//! # Bounds
//!
//! A modulus n fills its L limbs: R/2 < n < R = 2^(64 L). There is no room for sums that were not
//! reduced, but for one bit: operands below R give
//!
//! > (a b + m n) / R < R + n,
//!
//! and where the sum reaches R, n is subtracted by a mask: the result is below R again, though
//! not always below n ("almost" Montgomery). A residue thus has at most two forms, and 1 in
//! Montgomery form, R - n, has only one.
//!
//! # The base-2 Fermat test
//!
//! n passes if 2^(n-1) = 1, or as well if (1/2)^(n-1) = 1. To halve k times is to add the multiple
//! of n that makes k bits zero, and to shift them out: for x < R and q < 2^k,
//!
//! > (x + q n) / 2^k <= (R - 1 + (2^k - 1) n) / 2^k < R,
//!
//! so that nothing needs to be subtracted, and up to six halvings cost no more than one. The
//! start needs no work: R / 2^c, an integer, is 2^-c in Montgomery form, and c holds the first ten
//! or eleven bits of the exponent.
//!
//! # Time
//!
//! The sequence of operations depends on the size only. Carries become masks behind
//! `black_box`, because the compiler was seen to turn a plain mask into a branch; tables are read
//! whole.

mod exponent;
mod modulus;
mod rows;

#[cfg(test)]
mod tests;

use zeroize::Zeroize;

use super::{Eight, Kernel, LANES, Modulus, Scratch, U64x8, limbs};
use modulus::LimbModulus;

/// One number after the other, in limbs of 64 bits.
#[derive(Clone, Copy, Debug)]
pub struct Limbs;

/// Calls a function of `K` digits and `L` limbs for a constant `K`.
macro_rules! by_size {
    ($digits:ident, $function:ident($($argument:expr),*)) => {
        match $digits {
            20 => $function::<$digits, 16>($($argument),*),
            30 => $function::<$digits, 24>($($argument),*),
            _ => $function::<$digits, 32>($($argument),*),
        }
    };
}

impl Kernel for Limbs {
    type V = U64x8;

    #[inline(always)]
    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }

    fn fermat<const K: usize>(self, modulus: &Modulus<K>, _: &mut Scratch) -> u8 {
        by_size!(K, fermat(&modulus.n))
    }

    fn miller_rabin<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        _: &mut Scratch,
    ) -> u8 {
        by_size!(K, miller_rabin(&modulus.n, base))
    }

    fn power<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        exponent: &Eight<K>,
        _: &mut Scratch,
    ) -> Eight<K> {
        by_size!(K, power(&modulus.n, base, exponent))
    }

    fn power_e<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        _: &mut Scratch,
    ) -> Eight<K> {
        by_size!(K, power_e(&modulus.n, base))
    }

    fn inverse_holds<const K: usize>(
        self,
        modulus: &Modulus<K>,
        a: &Eight<K>,
        b: &Eight<K>,
        _: &mut Scratch,
    ) -> u8 {
        by_size!(K, inverse_holds(&modulus.n, a, b))
    }
}

/// The limbs of the number in `lane`, wiped when dropped.
fn limbs_of<const K: usize, const L: usize>(eight: &Eight<K>, lane: usize) -> Number<L> {
    let mut number = Number([0; L]);
    limbs::from_digits(&eight.lane(lane), &mut number.0);
    number
}

/// A number that is wiped when dropped.
#[derive(Clone, Debug)]
struct Number<const L: usize>([u64; L]);

impl<const L: usize> Drop for Number<L> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// One bit for each lane that passes `test`.
fn lanes_that<const K: usize, const L: usize>(
    n: &Eight<K>,
    mut test: impl FnMut(usize, &mut LimbModulus<L>) -> bool,
) -> u8 {
    (0..LANES).fold(0, |passed, lane| {
        let mut modulus = LimbModulus::new(&limbs_of::<K, L>(n, lane).0);
        passed | u8::from(test(lane, &mut modulus)) << lane
    })
}

/// Eight results.
fn each_lane<const K: usize, const L: usize>(
    n: &Eight<K>,
    mut compute: impl FnMut(usize, &mut LimbModulus<L>) -> Number<L>,
) -> Eight<K> {
    let mut results = Eight::ZERO;
    for lane in 0..LANES {
        let mut modulus = LimbModulus::new(&limbs_of::<K, L>(n, lane).0);
        results.set_lane(lane, &limbs::digits(&compute(lane, &mut modulus).0));
    }
    results
}

fn fermat<const K: usize, const L: usize>(n: &Eight<K>) -> u8 {
    lanes_that::<K, L>(n, |_, modulus| exponent::fermat(modulus))
}

fn miller_rabin<const K: usize, const L: usize>(n: &Eight<K>, base: &Eight<K>) -> u8 {
    lanes_that::<K, L>(n, |lane, modulus| exponent::miller_rabin(modulus, &limbs_of(base, lane)))
}

fn power<const K: usize, const L: usize>(
    n: &Eight<K>,
    base: &Eight<K>,
    exponent: &Eight<K>,
) -> Eight<K> {
    each_lane::<K, L>(n, |lane, modulus| {
        let mut x = limbs_of(base, lane);
        modulus.enter(&mut x.0);
        let mut x = exponent::power(modulus, &x, &limbs_of(exponent, lane));
        modulus.leave(&mut x.0);
        x
    })
}

fn power_e<const K: usize, const L: usize>(n: &Eight<K>, base: &Eight<K>) -> Eight<K> {
    each_lane::<K, L>(n, |lane, modulus| {
        let mut base = limbs_of(base, lane);
        modulus.enter(&mut base.0);
        let mut x = base.clone();
        (0..16).for_each(|_| modulus.square(&mut x.0));
        modulus.multiply(&mut x.0, &base.0);
        modulus.leave(&mut x.0);
        x
    })
}

fn inverse_holds<const K: usize, const L: usize>(n: &Eight<K>, a: &Eight<K>, b: &Eight<K>) -> u8 {
    lanes_that::<K, L>(n, |lane, modulus| {
        let mut x = limbs_of::<K, L>(a, lane);
        modulus.enter(&mut x.0);
        modulus.enter(&mut x.0);
        modulus.multiply(&mut x.0, &limbs_of(b, lane).0);
        modulus.leave(&mut x.0);
        x.0[0] == 1 && x.0[1..].iter().fold(0, |or, limb| or | limb) == 0
    })
}
