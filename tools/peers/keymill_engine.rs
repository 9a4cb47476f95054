//! This project's engines, each on the backend it says it runs on.

use keymill::crypto::drbg::Drbg;
use keymill::crypto::{Engine, KeyPairBatch, engine};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::{Backend, BackendChoice};

use crate::contender::Contender;

/// One contender for each backend that has an engine of its own.
pub fn contenders(spec: KeyPairSpec) -> Vec<Contender> {
    let choices = [BackendChoice::Ifma, BackendChoice::Portable];
    let backends = choices.into_iter().filter_map(|choice| choice.select().ok());
    let mut engines: Vec<Box<dyn Engine>> = backends.map(|backend| engine(spec, backend)).collect();
    engines.dedup_by_key(|engine| engine.backend().name());
    engines.into_iter().map(|engine| contender(spec, engine)).collect()
}

fn contender(spec: KeyPairSpec, mut engine: Box<dyn Engine>) -> Contender {
    let rows = rows(spec, engine.backend());
    let mut drbg = Drbg::from_system().expect("the system gives entropy");
    let mut batch = KeyPairBatch::with_capacity(spec, rows);
    let difference = if spec.rsa_bits().is_some() {
        "primes exactly uniform over [sqrt(2) 2^(b-1), 2^b), Fermat to base 2, then the rounds of \
         FIPS 186-5; every key used once and its relations checked; both DER encodings written"
    } else {
        "every batch checked; both DER encodings written; reseeded once a batch"
    };
    let name = format!("keymill {}", engine.backend());
    let make = move || {
        batch.clear();
        drbg.reseed().expect("the system gives entropy");
        engine.generate(&mut drbg, &mut batch, rows).expect("a machine that computes rightly");
        rows
    };
    Contender { name, difference, make: Box::new(make) }
}

/// Keys of one call: what a worker asks for where lanes want company, less where they do not.
fn rows(spec: KeyPairSpec, backend: Backend) -> usize {
    match (spec.rsa_bits(), backend) {
        (Some(_), Backend::Ifma(_)) => 32,
        (Some(_), Backend::Portable) => 8,
        (None, Backend::Ifma(_)) => 8192,
        (None, Backend::Portable) => 64,
    }
}
