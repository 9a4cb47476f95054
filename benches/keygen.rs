//! Key pairs of every spec on every backend, with their checks and encodings.
//!
//! RSA keys differ by luck in the search, so their samples scatter by much more than the clock
//! does: compare RSA by `tools/peers`, whose rounds are interleaved and whose error is printed.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keymill::crypto::drbg::Drbg;
use keymill::crypto::{KeyPairBatch, engine};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::{Backend, BackendChoice};

use crate::measurement::ThreadTime;

mod measurement;

/// Keys a sample's step makes: enough to fill the lanes, few enough to wait for.
const fn rows(spec: KeyPairSpec, backend: Backend) -> usize {
    match (spec.rsa_bits().is_some(), backend) {
        (true, Backend::Ifma(_)) => 8,
        (true, Backend::Portable) => 1,
        (false, Backend::Ifma(_)) => 4096,
        (false, Backend::Portable) => 16,
    }
}

fn specs(criterion: &mut Criterion<ThreadTime>) {
    for spec in KeyPairSpec::ALL {
        let mut group = criterion.benchmark_group(spec.name());
        group.sample_size(10);
        let choices = [BackendChoice::Ifma, BackendChoice::Portable];
        for backend in choices.into_iter().filter_map(|choice| choice.select().ok()) {
            let mut engine = engine(spec, backend);
            if engine.backend().name() != backend.name() {
                continue;
            }
            let rows = rows(spec, backend);
            let mut batch = KeyPairBatch::with_capacity(spec, rows);
            let mut drbg = Drbg::from_seed([1; 32]);
            group.throughput(Throughput::Elements(rows as u64));
            group.bench_function(backend.name(), |bencher| {
                bencher.iter(|| {
                    batch.clear();
                    engine.generate(&mut drbg, &mut batch, rows).expect("a sound machine");
                });
            });
        }
    }
}

criterion_group! { name = benches; config = measurement::criterion(); targets = specs }
criterion_main!(benches);
