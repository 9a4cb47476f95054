//! `Zmm`: the 512-bit register, and the only unsafe code of the arithmetic.
//!
//! Every function that touches a register is compiled for AVX-512, either because it says so or
//! because it is inlined into one that does. The way in is [`run`], which asks for the proof
//! that the CPU has the instructions.
#![allow(unsafe_code, reason = "vector instructions of a CPU that was asked for them")]

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epu64_mask, _mm512_cmple_epu64_mask,
    _mm512_loadu_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_cmpgt_epu64_mask,
    _mm512_mask_mov_epi64, _mm512_mullo_epi64, _mm512_or_si512, _mm512_set1_epi64,
    _mm512_sllv_epi64, _mm512_srlv_epi64, _mm512_storeu_si512, _mm512_sub_epi64, _mm512_xor_si512,
};

use super::{Digit, Lanes, blocks};
use crate::sys::features::Ifma;

/// Eight 64-bit elements in one register. Only code inside [`Kernel::run`](super::Kernel::run)
/// of [`Vectors`](super::Vectors) may compute with it.
#[derive(Clone, Copy, Debug)]
pub struct Zmm(__m512i);

/// Runs `work` compiled for AVX-512 IFMA.
#[inline(always)]
pub(super) fn run<R>(_proof: Ifma, work: impl FnOnce() -> R) -> R {
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx512ifma")]
    fn inside<R>(work: impl FnOnce() -> R) -> R {
        work()
    }
    // SAFETY: an `Ifma` is made only by the detection of these features.
    unsafe { inside(work) }
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx512ifma")]
fn triangle<const H: usize>(t: &mut [Digit], a: &[Digit; H], given: [bool; 2]) {
    blocks::triangle::<Zmm, H>(t, a, given);
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx512ifma")]
fn tile<const H: usize, const FRESH: bool>(t: &mut [Digit], a: &[Digit; H], b: &[Digit; H]) {
    blocks::tile::<Zmm, H, FRESH>(t, a, b);
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx512ifma")]
fn reduce<const K: usize>(
    out: &mut [Digit; K],
    t: &mut [Digit],
    m: &mut [Digit],
    modulus: (&[Digit; K], &Digit),
    shift: Option<Zmm>,
) {
    blocks::reduce::<Zmm, K>(out, t, m, modulus, shift);
}

/// A method that is one instruction.
macro_rules! instruction {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name($($arg: $type),*) -> $out {
            // SAFETY: values of this type are computed with only inside `run`, whose caller
            // proved the features.
            unsafe { $body }
        }
    )*};
}

impl Lanes for Zmm {
    instruction! {
        splat(element: u64) -> Self = Self(_mm512_set1_epi64(element.cast_signed()));
        load(from: &Digit) -> Self = Self(_mm512_loadu_si512(from.as_ptr().cast()));
    }

    #[inline(always)]
    fn store(self, to: &mut Digit) {
        // SAFETY: as above; `to` is 64 writable bytes.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), self.0) }
    }
    #[inline(always)]
    fn madd_lo(self, a: Self, b: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_madd52lo_epu64(self.0, a.0, b.0)) }
    }
    #[inline(always)]
    fn madd_hi(self, a: Self, b: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_madd52hi_epu64(self.0, a.0, b.0)) }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_add_epi64(self.0, other.0)) }
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_sub_epi64(self.0, other.0)) }
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_mullo_epi64(self.0, other.0)) }
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_and_si512(self.0, other.0)) }
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_or_si512(self.0, other.0)) }
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_xor_si512(self.0, other.0)) }
    }
    #[inline(always)]
    fn shl(self, count: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_sllv_epi64(self.0, count.0)) }
    }
    #[inline(always)]
    fn shr(self, count: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_srlv_epi64(self.0, count.0)) }
    }
    #[inline(always)]
    fn equal(self, other: Self) -> u8 {
        // SAFETY: as above.
        unsafe { _mm512_cmpeq_epu64_mask(self.0, other.0) }
    }
    #[inline(always)]
    fn at_most(self, other: Self) -> u8 {
        // SAFETY: as above.
        unsafe { _mm512_cmple_epu64_mask(self.0, other.0) }
    }
    #[inline(always)]
    fn above(self, other: Self, lanes: u8) -> u8 {
        // SAFETY: as above.
        unsafe { _mm512_mask_cmpgt_epu64_mask(lanes, self.0, other.0) }
    }
    #[inline(always)]
    fn blend(self, mask: u8, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_mask_mov_epi64(self.0, mask, other.0)) }
    }

    #[inline(always)]
    fn triangle<const H: usize>(t: &mut [Digit], a: &[Digit; H], given: [bool; 2]) {
        // SAFETY: as above.
        unsafe { triangle::<H>(t, a, given) }
    }
    #[inline(always)]
    fn tile<const H: usize, const FRESH: bool>(t: &mut [Digit], a: &[Digit; H], b: &[Digit; H]) {
        // SAFETY: as above.
        unsafe { tile::<H, FRESH>(t, a, b) }
    }
    #[inline(always)]
    fn reduce<const K: usize>(
        out: &mut [Digit; K],
        t: &mut [Digit],
        m: &mut [Digit],
        modulus: (&[Digit; K], &Digit),
        shift: Option<Self>,
    ) {
        // SAFETY: as above.
        unsafe { reduce::<K>(out, t, m, modulus, shift) }
    }
}
