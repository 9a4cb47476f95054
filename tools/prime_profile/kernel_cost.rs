//! What the kernel's operations cost a lane, beside what the vector ports allow.

use std::hint::black_box;
use std::time::Duration;

use keymill::crypto::arith::{
    DIGIT_MASK, Digit, Eight, Kernel, LANES, Lanes, Modulus, Scratch, modulus_bits,
};
use serde::Serialize;

use crate::operations::{self, Counted, Operations};
use crate::stopwatch::timed;

/// Calls in a timed window, so that reading the clock costs nothing beside it.
const CALLS: u32 = 250;
const WINDOWS: usize = 500;

/// One operation of the kernel at one size.
#[derive(Clone, Debug, Serialize)]
pub struct KernelCost {
    pub bits: usize,
    pub operation: &'static str,
    /// Quickest of many windows.
    pub ns_per_lane: f64,
    /// Of all eight lanes together.
    pub operations: Operations,
    /// What the ports would need for as many operations, by their rate in the windows between.
    pub bound_ns_per_lane: f64,
}

impl KernelCost {
    /// Share of the ports' time that is put to use: 1 at best where every operation needs one of them.
    /// On AMD's family 26 additions and shifts have ports besides, and it may be more.
    pub fn port_share(&self) -> f64 {
        self.bound_ns_per_lane / self.ns_per_lane
    }

    /// The multiply-adds' part of it, 1 at best everywhere.
    pub fn madd_share(&self) -> f64 {
        let Operations { madds, .. } = self.operations;
        self.port_share() * f64::from(madds) / f64::from(self.operations.total())
    }
}

/// Multiply-adds in 24 chains that wait for nothing but themselves: as many as the ports can take.
#[derive(Debug)]
struct Ports<N> {
    kernel: N,
    starts: [Digit; CHAINS],
    end: Digit,
}

const CHAINS: usize = 24;
const STEPS: usize = 20_000;

impl<N: Kernel> Ports<N> {
    fn new(kernel: N) -> Self {
        let starts = black_box(std::array::from_fn(|chain| [chain as u64; LANES]));
        Self { kernel, starts, end: [0; LANES] }
    }

    fn window(&mut self) {
        let Self { kernel, starts, end } = self;
        kernel.run(
            #[inline(always)]
            || {
                let factor = N::V::load(&starts[3]);
                let mut sums = starts.each_ref().map(N::V::load);
                for _ in 0..STEPS {
                    for sum in &mut sums {
                        *sum = sum.madd_lo(factor, factor);
                    }
                }
                let total = sums.into_iter().reduce(N::V::add).expect("some chains");
                total.store(end);
            },
        );
        black_box(end);
    }

    /// Multiply-adds a nanosecond, and nanoseconds of `work`: each of its quickest window. They take
    /// turns, so that a clock that rises and falls does so for both.
    fn beside(&mut self, windows: usize, mut work: impl FnMut()) -> (f64, f64) {
        let (mut ports, mut best) = (Duration::MAX, Duration::MAX);
        for _ in 0..windows {
            ports = ports.min(timed(|| self.window()).0);
            best = best.min(timed(&mut work).0);
        }
        ((CHAINS * STEPS) as f64 / ports.as_nanos() as f64, best.as_nanos() as f64)
    }
}

/// 52-bit multiply-adds a nanosecond, at the best of times.
pub fn madds_per_ns<N: Kernel>(kernel: N) -> f64 {
    Ports::new(kernel).beside(WINDOWS, || ()).0
}

/// A kernel whose lanes count.
#[derive(Clone, Copy, Debug)]
struct Counting;

impl Kernel for Counting {
    type V = Counted;

    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }
}

/// All operations at the sizes of RSA's primes.
pub fn kernel_costs<N: Kernel>(kernel: N) -> Vec<KernelCost> {
    let costs = [
        Bench::<N, 20>::new(kernel).costs(),
        Bench::<N, 30>::new(kernel).costs(),
        Bench::<N, 40>::new(kernel).costs(),
    ];
    let cost = |cost: Cost| KernelCost {
        bits: cost.bits,
        operation: cost.operation,
        ns_per_lane: cost.ns / LANES as f64,
        operations: cost.operations,
        bound_ns_per_lane: f64::from(cost.operations.total()) / cost.madds_per_ns / LANES as f64,
    };
    costs.into_iter().flatten().map(cost).collect()
}

/// Time and operations of one call, for all lanes.
struct Cost {
    bits: usize,
    operation: &'static str,
    ns: f64,
    /// In the windows between.
    madds_per_ns: f64,
    operations: Operations,
}

/// Operands of one size.
struct Bench<N, const K: usize> {
    kernel: N,
    ports: Ports<N>,
    modulus: Modulus<K>,
    x: Eight<K>,
    y: Eight<K>,
    scratch: Scratch,
}

impl<N: Kernel, const K: usize> Bench<N, K> {
    /// The values do not matter: no time depends on them.
    fn new(kernel: N) -> Self {
        let modulus = Modulus::new(&Eight([[DIGIT_MASK; LANES]; K]));
        Self {
            kernel,
            ports: Ports::new(kernel),
            modulus,
            x: Eight::small(3),
            y: Eight::small(5),
            scratch: Scratch::default(),
        }
    }

    fn costs(mut self) -> Vec<Cost> {
        vec![self.square(), self.multiply(), self.fermat(), self.miller_rabin()]
    }

    fn square(&mut self) -> Cost {
        let Self { kernel, ports, modulus, x, scratch, .. } = self;
        let (madds_per_ns, window) = ports.beside(WINDOWS, || {
            kernel.run(
                #[inline(always)]
                || (0..CALLS).for_each(|_| modulus.square::<N::V>(x, scratch)),
            );
        });
        let operations = operations::count(|| modulus.square::<Counted>(x, scratch));
        Self::cost("square", (madds_per_ns, window / f64::from(CALLS)), operations)
    }

    fn multiply(&mut self) -> Cost {
        let Self { kernel, ports, modulus, x, y, scratch } = self;
        let (madds_per_ns, window) = ports.beside(WINDOWS, || {
            kernel.run(
                #[inline(always)]
                || (0..CALLS).for_each(|_| modulus.multiply::<N::V>(x, y, scratch)),
            );
        });
        let operations = operations::count(|| modulus.multiply::<Counted>(x, y, scratch));
        Self::cost("multiply", (madds_per_ns, window / f64::from(CALLS)), operations)
    }

    fn fermat(&mut self) -> Cost {
        let Self { kernel, ports, modulus, scratch, .. } = self;
        let times = ports.beside(WINDOWS / 2, || {
            black_box(kernel.fermat(modulus, scratch));
        });
        let operations = operations::count(|| {
            Counting.fermat(modulus, scratch);
        });
        Self::cost("Fermat test", times, operations)
    }

    fn miller_rabin(&mut self) -> Cost {
        let Self { kernel, ports, modulus, y, scratch, .. } = self;
        let times = ports.beside(WINDOWS / 2, || {
            black_box(kernel.miller_rabin(modulus, y, scratch));
        });
        let operations = operations::count(|| {
            Counting.miller_rabin(modulus, y, scratch);
        });
        Self::cost("Miller-Rabin round", times, operations)
    }

    fn cost(
        operation: &'static str,
        (madds_per_ns, ns): (f64, f64),
        operations: Operations,
    ) -> Cost {
        Cost { bits: modulus_bits(K), operation, ns, madds_per_ns, operations }
    }
}
