//! One squaring and one multiplication modulo eight numbers, at every size and on every kernel.
//!
//! Throughput is in lanes: the time of one of the eight numbers is its inverse.

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use keymill::crypto::arith::{
    Eight, Kernel, LANES, Modulus, Portable, Scratch, Vectors, modulus_bits,
};
use keymill::sys::features::Ifma;

use crate::measurement::ThreadTime;

mod measurement;

fn kernels(criterion: &mut Criterion<ThreadTime>) {
    for operation in ["square", "multiply"] {
        let mut group = criterion.benchmark_group(operation);
        group.throughput(Throughput::Elements(LANES as u64));
        if let Some(token) = Ifma::detect() {
            sizes(&mut group, "ifma", operation, Vectors(token));
        }
        sizes(&mut group, "portable", operation, Portable);
    }
}

fn sizes<N: Kernel>(
    group: &mut BenchmarkGroup<'_, ThreadTime>,
    name: &str,
    operation: &str,
    kernel: N,
) {
    one_size::<N, 20>(group, name, operation, kernel);
    one_size::<N, 30>(group, name, operation, kernel);
    one_size::<N, 40>(group, name, operation, kernel);
}

/// Sixteen at a time, because entering the kernel is a call of its own.
fn one_size<N: Kernel, const K: usize>(
    group: &mut BenchmarkGroup<'_, ThreadTime>,
    name: &str,
    operation: &str,
    kernel: N,
) {
    const CALLS: usize = 16;
    group.throughput(Throughput::Elements((CALLS * LANES) as u64));
    let (mut x, y) = (Eight::<K>::small(3), Eight::<K>::small(5));
    let (modulus, mut scratch) = (Modulus::new(&Eight::small(1)), Scratch::default());
    group.bench_function(format!("{name}/{}", modulus_bits(K)), |bencher| {
        bencher.iter(|| {
            kernel.run(
                #[inline(always)]
                || {
                    for _ in 0..CALLS {
                        if operation == "square" {
                            modulus.square::<N::V>(&mut x, &mut scratch);
                        } else {
                            modulus.multiply::<N::V>(&mut x, &y, &mut scratch);
                        }
                    }
                },
            );
        });
    });
}

criterion_group! { name = benches; config = measurement::criterion(); targets = kernels }
criterion_main!(benches);
