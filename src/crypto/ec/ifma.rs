//! The AVX-512 IFMA instance of [`Lanes`].
//!
//! Each method is one instruction. They are marked to be inlined and carry no target feature;
//! [`enter`](Lanes::enter) is the only way in that has the features on, and it takes the token
//! as its proof.
#![expect(unsafe_code, reason = "intrinsics need the CPU features that the token proves")]

use core::arch::x86_64::{
    __m512i, _mm_cvtsi64_si128, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask,
    _mm512_load_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_mov_epi64,
    _mm512_mask2_permutex2var_epi64, _mm512_movepi64_mask, _mm512_set1_epi64, _mm512_srai_epi64,
    _mm512_srl_epi64, _mm512_store_si512, _mm512_sub_epi64, _mm512_xor_si512,
};

use super::lanes::{Lanes, Row, Task};
use crate::sys::features::Ifma;

/// Runs `task` with the features that [`Ifma`] proves.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx512ifma")]
fn with_features<T: Task>(task: T, token: Ifma) -> T::Output {
    task.run(token)
}

/// One intrinsic under the token.
macro_rules! granted {
    ($call:expr) => {
        // SAFETY: the receiver is an `Ifma` token, made only where the CPU has the feature of
        // every intrinsic of this file; loads and stores get references to whole aligned rows.
        unsafe { $call }
    };
}

impl Lanes for Ifma {
    type V = __m512i;

    fn enter<T: Task>(self, task: T) -> T::Output {
        granted!(with_features(task, self))
    }

    #[inline(always)]
    fn splat(self, value: u64) -> Self::V {
        granted!(_mm512_set1_epi64(value.cast_signed()))
    }

    #[inline(always)]
    fn load(self, row: &Row) -> Self::V {
        granted!(_mm512_load_si512(core::ptr::from_ref(row).cast()))
    }

    #[inline(always)]
    fn store(self, row: &mut Row, value: Self::V) {
        granted!(_mm512_store_si512(core::ptr::from_mut(row).cast(), value));
    }

    #[inline(always)]
    fn madd_lo(self, c: Self::V, a: Self::V, b: Self::V) -> Self::V {
        granted!(_mm512_madd52lo_epu64(c, a, b))
    }

    #[inline(always)]
    fn madd_hi(self, c: Self::V, a: Self::V, b: Self::V) -> Self::V {
        granted!(_mm512_madd52hi_epu64(c, a, b))
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        granted!(_mm512_add_epi64(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        granted!(_mm512_sub_epi64(a, b))
    }

    #[inline(always)]
    fn and(self, a: Self::V, b: Self::V) -> Self::V {
        granted!(_mm512_and_si512(a, b))
    }

    #[inline(always)]
    fn xor(self, a: Self::V, b: Self::V) -> Self::V {
        granted!(_mm512_xor_si512(a, b))
    }

    #[inline(always)]
    fn sar<const BITS: u32>(self, a: Self::V) -> Self::V {
        granted!(_mm512_srai_epi64::<BITS>(a))
    }

    #[inline(always)]
    fn shr(self, a: Self::V, bits: usize) -> Self::V {
        granted!(_mm512_srl_epi64(a, _mm_cvtsi64_si128(i64::try_from(bits).unwrap_or(0))))
    }

    #[inline(always)]
    fn eq(self, a: Self::V, b: Self::V) -> u8 {
        granted!(_mm512_cmpeq_epi64_mask(a, b))
    }

    #[inline(always)]
    fn negative(self, a: Self::V) -> u8 {
        granted!(_mm512_movepi64_mask(a))
    }

    #[inline(always)]
    fn select(self, mask: u8, a: Self::V, b: Self::V) -> Self::V {
        granted!(_mm512_mask_mov_epi64(a, mask, b))
    }

    #[inline(always)]
    fn pick16(self, mask: u8, index: Self::V, low: Self::V, high: Self::V) -> Self::V {
        granted!(_mm512_mask2_permutex2var_epi64(low, index, mask, high))
    }
}
