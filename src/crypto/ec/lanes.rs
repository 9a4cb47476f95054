//! `Lanes`: eight 64-bit numbers at a time.
//!
//! The curve arithmetic is written once over this trait. The portable instance says what every
//! operation means; the IFMA instance must agree with it bit by bit. All methods are inlined, and none
//! carries a target feature: a hot loop is a [`Task`], and [`Lanes::enter`] leads into a function
//! of its own that has the features on, where the whole loop is inlined. A task may enter another
//! one, which is then a call and not a copy: a loop has to fit the first-level instruction cache.

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

    /// Runs `task` with the features of the kernel, out of line.
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
    /// In the lanes of `mask` the entry of `low || high` that the four low bits of `index` name,
    /// `index` itself in the others.
    fn pick16(self, mask: u8, index: Self::V, low: Self::V, high: Self::V) -> Self::V;
}
