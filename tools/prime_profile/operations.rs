//! `Counted`: lanes that count what they are asked for, to know what the vector ports must do.
//!
//! The engine's arithmetic is one text over [`Lanes`], so running it over these lanes counts the
//! instructions of the vector kernel. What the count leaves out does not use the two vector
//! ports: loads, stores, broadcasts from memory, zeroing, moves between registers.
//!
//! Held against the disassembly of a squaring of 1024 bits, a triangle and a reduction: 1220
//! multiply-adds and 40 shifts, as counted.

use std::cell::Cell;

use keymill::crypto::arith::{Digit, Lanes, U64x8, blocks};
use serde::Serialize;

/// Instructions that need one of the two 512-bit ports.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Operations {
    /// Multiply-adds of 52 bits.
    pub madds: u32,
    /// Shifts; only one of the ports has them.
    pub shifts: u32,
    /// Additions, logic, compares, blends, and multiplications (as the three they take).
    pub others: u32,
}

impl Operations {
    /// All of them.
    pub const fn total(self) -> u32 {
        self.madds + self.shifts + self.others
    }
}

thread_local! {
    static OPERATIONS: Cell<Operations> = const { Cell::new(Operations { madds: 0, shifts: 0, others: 0 }) };
}

/// What `work` asks of the lanes it computes with, which must be [`Counted`].
pub fn count(work: impl FnOnce()) -> Operations {
    OPERATIONS.take();
    work();
    OPERATIONS.take()
}

fn note(add: impl FnOnce(&mut Operations)) {
    let mut operations = OPERATIONS.get();
    add(&mut operations);
    OPERATIONS.set(operations);
}

/// Eight plain integers under observation.
#[derive(Clone, Copy, Debug)]
pub struct Counted(U64x8);

/// Methods that pass on to the plain integers and note one operation, or several.
macro_rules! counted {
    ($($name:ident($($arg:ident),*) $field:ident += $count:literal;)*) => {$(
        #[inline(never)]
        fn $name(self, $($arg: Self),*) -> Self {
            note(|operations| operations.$field += $count);
            Self(self.0.$name($($arg.0),*))
        }
    )*};
}

impl Lanes for Counted {
    counted! {
        madd_lo(a, b) madds += 1;
        madd_hi(a, b) madds += 1;
        add(other) others += 1;
        sub(other) others += 1;
        mul(other) others += 3;
        and(other) others += 1;
        or(other) others += 1;
        xor(other) others += 1;
        shl(count) shifts += 1;
        shr(count) shifts += 1;
    }

    fn splat(element: u64) -> Self {
        Self(U64x8::splat(element))
    }

    fn load(from: &Digit) -> Self {
        Self(U64x8::load(from))
    }

    fn store(self, to: &mut Digit) {
        self.0.store(to);
    }

    fn equal(self, other: Self) -> u8 {
        note(|operations| operations.others += 1);
        self.0.equal(other.0)
    }

    fn at_most(self, other: Self) -> u8 {
        note(|operations| operations.others += 1);
        self.0.at_most(other.0)
    }

    fn above(self, other: Self, lanes: u8) -> u8 {
        note(|operations| operations.others += 1);
        self.0.above(other.0, lanes)
    }

    fn blend(self, mask: u8, other: Self) -> Self {
        note(|operations| operations.others += 1);
        Self(self.0.blend(mask, other.0))
    }

    // As in the vector kernel, one copy of each block: it is long, and called from many places.

    #[inline(never)]
    fn triangle<const H: usize>(t: &mut [Digit], a: &[Digit; H], given: [bool; 2]) {
        blocks::triangle::<Self, H>(t, a, given);
    }

    #[inline(never)]
    fn tile<const H: usize, const FRESH: bool>(t: &mut [Digit], a: &[Digit; H], b: &[Digit; H]) {
        blocks::tile::<Self, H, FRESH>(t, a, b);
    }

    #[inline(never)]
    fn reduce<const K: usize>(
        out: &mut [Digit; K],
        t: &mut [Digit],
        m: &mut [Digit],
        modulus: (&[Digit; K], &Digit),
        shift: Option<Self>,
    ) {
        blocks::reduce::<Self, K>(out, t, m, modulus, shift);
    }
}
