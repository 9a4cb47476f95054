//! `Contender`: one library that can make keys of a spec, and how it differs from the others.

use keymill::spec::KeyPairSpec;

use crate::{keymill_engine, rustcrypto};

/// A maker of keys.
pub struct Contender {
    /// Library and version.
    pub name: String,
    /// What it does differently: rounds, range, checks, encodings, randomness.
    pub difference: &'static str,
    /// Makes some keys and returns how many.
    pub make: Box<dyn FnMut() -> usize>,
}

impl Contender {
    /// A contender of the crate `package`, which makes one key at a time.
    ///
    /// Short keys are made sixteen a call, so that reading the clock costs nothing beside them.
    pub fn one_by_one(
        spec: KeyPairSpec,
        package: &str,
        difference: &'static str,
        mut key: impl FnMut() + 'static,
    ) -> Self {
        let keys = if spec.rsa_bits().is_some() { 1 } else { 16 };
        let make = move || {
            (0..keys).for_each(|_| key());
            keys
        };
        Self { name: versioned(package), difference, make: Box::new(make) }
    }
}

/// Everyone who can make keys of `spec`, this project first.
pub fn contenders(spec: KeyPairSpec) -> Vec<Contender> {
    let mut all = keymill_engine::contenders(spec);
    all.extend(rustcrypto::contender(spec));
    all.extend(crate::crypto_primes_pair::contender(spec));
    #[cfg(feature = "peers")]
    all.extend(
        [
            crate::aws_lc::contender(spec),
            crate::openssl_system::contender(spec),
            crate::gmp_loop::contender(spec),
            crate::libcrux::contender(spec),
        ]
        .into_iter()
        .flatten(),
    );
    all
}

/// `package` with the version that `Cargo.lock` holds it to.
fn versioned(package: &str) -> String {
    let name = format!("name = \"{package}\"");
    let mut lines = include_str!("../../Cargo.lock").lines().skip_while(|line| *line != name);
    let version = lines.nth(1).and_then(|line| line.split('"').nth(1)).unwrap_or("");
    format!("{package} {version}")
}
