//! GHASH (NIST SP 800-38D, section 6.4) with carry-less multiplication in 512-bit registers.
//!
//! Elements of GF(2^128) are kept in the form of POLYVAL (RFC 8452, appendix A): bytes reversed,
//! the hash key times x, so that products need no shift. A `u128` holds the coefficient of x^i
//! in bit i, and `multiply(a, b)` is `a b x^-128`.
//!
//! A message of n blocks is the sum of block i times the (n - i)th power of the key. Four blocks
//! meet four powers in one register; the products are added unreduced, lane by lane, and a whole
//! message costs one fold of the lanes and one reduction. Time depends on lengths only.
#![expect(unsafe_code, reason = "intrinsics need the CPU features that the token proves")]

use core::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_clmulepi64_si128, _mm_set_epi64x, _mm_shuffle_epi32,
    _mm_slli_si128, _mm_srli_si128, _mm_xor_si128, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_xor_si256, _mm512_broadcast_i32x4, _mm512_castsi512_si256,
    _mm512_clmulepi64_epi128, _mm512_extracti64x4_epi64, _mm512_mask_storeu_epi8,
    _mm512_maskz_loadu_epi8, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_ternarylogic_epi64,
    _mm512_xor_si512, _mm512_zextsi128_si512,
};

use crate::secret::Secret;
use crate::sys::features::WideClmul;

/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 16;

/// Bytes of one register.
const WIDTH: usize = 64;

/// `x^63 + x^62 + x^57`: the upper half of the field's polynomial without its leading term.
const POLYNOMIAL: u64 = 0xc200_0000_0000_0000;

/// A hash key with its powers, ready to seal messages of bounded length.
pub(super) struct Ghash {
    /// The proof that this code may run.
    token: WideClmul,
    /// The highest power first, the key itself last, each in its bytes' order in memory.
    powers: Secret<Vec<[u8; BLOCK_BYTES]>>,
}

impl Ghash {
    /// Prepares the hash key `h`, the encryption of the zero block, for messages of up to
    /// `blocks_max` blocks.
    pub(super) fn new(token: WideClmul, h: [u8; BLOCK_BYTES], blocks_max: usize) -> Self {
        let first = Secret::new(vec![double(u128::from_be_bytes(h)).to_le_bytes()]);
        let mut hash = Self { token, powers: first };
        hash.reserve(blocks_max);
        hash
    }

    /// Prepares for messages of up to `blocks` blocks, too.
    pub(super) fn reserve(&mut self, blocks: usize) {
        let known = self.powers.expose();
        let [.., key] = known[..] else { return };
        let Some(more) = blocks.checked_sub(known.len()).filter(|more| *more > 0) else { return };
        let mut powers = Secret::new(vec![[0; BLOCK_BYTES]; blocks]);
        let (new, rest) = powers.expose_mut().split_at_mut(more);
        rest.copy_from_slice(known);
        let (mut power, key) = (u128::from_le_bytes(known[0]), u128::from_le_bytes(key));
        for place in new.iter_mut().rev() {
            power = multiply(self.token, power, key);
            *place = power.to_le_bytes();
        }
        self.powers = powers;
    }

    /// The state after `state` and `bytes`, padded with zeros to whole blocks.
    pub(super) fn absorb(&self, mut state: u128, bytes: &[u8]) -> u128 {
        for part in bytes.chunks(self.powers.expose().len() * BLOCK_BYTES) {
            let powers = self.powers_of(blocks_in(part.len()));
            // SAFETY: the token proves the features.
            state = unsafe { absorb(powers, state, part) };
        }
        state
    }

    /// Encrypts `text` with all blocks of `keystream` but the first, and returns the tag, for
    /// which the first one is.
    ///
    /// `state` stands for the associated data before `tail`, and `lengths` is the last block.
    ///
    /// # Panics
    ///
    /// If the message has more blocks than the key was prepared for, or too little key stream.
    pub(super) fn seal(
        &self,
        state: u128,
        tail: &[u8],
        keystream: &[[u8; BLOCK_BYTES]],
        text: &mut [u8],
        lengths: u128,
    ) -> [u8; BLOCK_BYTES] {
        let (mask, keystream) = keystream.as_flattened().split_at(BLOCK_BYTES);
        let blocks = blocks_in(tail.len()) + blocks_in(text.len()) + 1;
        let message = Message { state, tail, keystream: &keystream[..text.len()], text, lengths };
        // SAFETY: the token proves the features.
        let hash = unsafe { seal(self.powers_of(blocks), message) };
        let mut tag = hash.to_be_bytes();
        for (byte, mask) in tag.iter_mut().zip(mask) {
            *byte ^= mask;
        }
        tag
    }

    /// The powers that a message of `blocks` blocks takes, as bytes.
    fn powers_of(&self, blocks: usize) -> &[u8] {
        let powers = self.powers.expose();
        powers[powers.len() - blocks..].as_flattened()
    }
}

/// Blocks that `bytes` bytes take, with padding.
pub(super) const fn blocks_in(bytes: usize) -> usize {
    bytes.div_ceil(BLOCK_BYTES)
}

/// `a x`, in constant time.
fn double(a: u128) -> u128 {
    let carry = (a >> 127).wrapping_neg();
    (a << 1) ^ (carry & (u128::from(POLYNOMIAL) << 64 | 1))
}

fn multiply(_token: WideClmul, a: u128, b: u128) -> u128 {
    // SAFETY: the token proves the features.
    unsafe { multiply_with_features(a, b) }
}

/// What is hashed and encrypted in one pass.
struct Message<'m> {
    state: u128,
    tail: &'m [u8],
    keystream: &'m [u8],
    text: &'m mut [u8],
    lengths: u128,
}

/// Unreduced products, summed in each of four lanes.
#[derive(Clone, Copy)]
struct Products {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

/// Declares functions that run with the features of [`WideClmul`]; in one another they inline.
macro_rules! with_features {
    ($($(#[$doc:meta])* fn $name:ident($($arguments:tt)*) $(-> $output:ty)? $body:block)*) => {$(
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,pclmulqdq,vpclmulqdq")]
        fn $name($($arguments)*) $(-> $output)? $body
    )*};
}

with_features! {
    fn absorb(powers: &[u8], state: u128, bytes: &[u8]) -> u128 {
        let mut products = none();
        hash(&mut products, &mut enter(state), &mut &*powers, bytes);
        reduce(products)
    }

    fn seal(mut powers: &[u8], message: Message<'_>) -> u128 {
        let Message { state, tail, keystream, text, lengths } = message;
        let (mut products, mut state) = (none(), enter(state));
        hash(&mut products, &mut state, &mut powers, tail);
        for (text, stream) in text.chunks_mut(WIDTH).zip(keystream.chunks(WIDTH)) {
            let cipher = _mm512_xor_si512(load(text), load(stream));
            store(text, cipher);
            multiply_add(&mut products, &mut state, &mut powers, cipher, text.len());
        }
        let last = reverse(enter(lengths));
        multiply_add(&mut products, &mut state, &mut powers, last, BLOCK_BYTES);
        reduce(products)
    }

    fn multiply_with_features(a: u128, b: u128) -> u128 {
        let mut products = none();
        multiply_add(&mut products, &mut none().low, &mut &b.to_le_bytes()[..], reverse(enter(a)), BLOCK_BYTES);
        reduce(products)
    }

    /// Adds the products of `bytes`, padded to blocks, and the powers in front.
    fn hash(products: &mut Products, state: &mut __m512i, powers: &mut &[u8], bytes: &[u8]) {
        for part in bytes.chunks(WIDTH) {
            multiply_add(products, state, powers, load(part), part.len());
        }
    }

    /// Adds the products of the blocks of `data`, `bytes` of which count, and the powers in
    /// front, which are used up. `state` goes into the first block ever.
    fn multiply_add(
        products: &mut Products,
        state: &mut __m512i,
        powers: &mut &[u8],
        data: __m512i,
        bytes: usize,
    ) {
        let (powers_here, rest) = powers.split_at(blocks_in(bytes) * BLOCK_BYTES);
        *powers = rest;
        let (x, power) = (_mm512_xor_si512(reverse(data), *state), load(powers_here));
        *state = _mm512_setzero_si512();
        let Products { low, middle, high } = *products;
        products.low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128::<0x00>(x, power));
        products.high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128::<0x11>(x, power));
        let crossed = _mm512_clmulepi64_epi128::<0x01>(x, power);
        let other = _mm512_clmulepi64_epi128::<0x10>(x, power);
        products.middle = _mm512_ternarylogic_epi64::<XOR3>(middle, crossed, other);
    }

    /// The sum of the lanes, reduced: Montgomery's way, twice 64 bits from below.
    fn reduce(products: Products) -> u128 {
        let middle = fold(products.middle);
        let low = _mm_xor_si128(fold(products.low), _mm_slli_si128::<8>(middle));
        let high = _mm_xor_si128(fold(products.high), _mm_srli_si128::<8>(middle));
        let polynomial = _mm_set_epi64x(0, POLYNOMIAL.cast_signed());
        let first = reduce_half(low, polynomial);
        leave(_mm_xor_si128(reduce_half(first, polynomial), high))
    }

    fn reduce_half(low: __m128i, polynomial: __m128i) -> __m128i {
        let product = _mm_clmulepi64_si128::<0x00>(low, polynomial);
        _mm_xor_si128(product, _mm_shuffle_epi32::<0x4e>(low))
    }

    fn fold(lanes: __m512i) -> __m128i {
        let upper: __m256i = _mm512_extracti64x4_epi64::<1>(lanes);
        let two = _mm256_xor_si256(_mm512_castsi512_si256(lanes), upper);
        _mm_xor_si128(_mm256_castsi256_si128(two), _mm256_extracti128_si256::<1>(two))
    }

    fn none() -> Products {
        let zero = _mm512_setzero_si512();
        Products { low: zero, middle: zero, high: zero }
    }

    /// An element in the first lane.
    fn enter(element: u128) -> __m512i {
        load(&element.to_le_bytes())
    }

    fn leave(element: __m128i) -> u128 {
        let mut bytes = [0; BLOCK_BYTES];
        store(&mut bytes, _mm512_zextsi128_si512(element));
        u128::from_le_bytes(bytes)
    }

    /// Every lane with its bytes in the other order.
    fn reverse(lanes: __m512i) -> __m512i {
        let order = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
        _mm512_shuffle_epi8(lanes, _mm512_broadcast_i32x4(order))
    }

    /// Up to [`WIDTH`] bytes, with zeros behind.
    fn load(bytes: &[u8]) -> __m512i {
        // SAFETY: the mask admits no byte beyond the slice, and what it bars is not accessed.
        unsafe { _mm512_maskz_loadu_epi8(mask(bytes.len()), bytes.as_ptr().cast()) }
    }

    /// The first bytes of `lanes`, as many as `bytes` has.
    fn store(bytes: &mut [u8], lanes: __m512i) {
        // SAFETY: as for `load`.
        unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), mask(bytes.len()), lanes) }
    }
}

/// The first `bytes` of a register, at most all.
const fn mask(bytes: usize) -> u64 {
    if bytes >= WIDTH { u64::MAX } else { (1 << bytes) - 1 }
}

/// Truth table of the sum of three.
const XOR3: i32 = 0x96;
