//! Key pairs of every spec: their encodings, and the checker that judges them.

pub(crate) mod faults;
pub(crate) mod vectors;

use super::*;
use crate::crypto::check::{CheckError, check_pair};
use crate::crypto::drbg::Drbg;
use crate::spec::KeyPairSpec;
use crate::sys::features::{Backend, BackendChoice};

fn pairs(spec: KeyPairSpec, rows: usize) -> KeyPairBatch {
    let mut batch = KeyPairBatch::with_capacity(spec, rows);
    let mut drbg = Drbg::from_seed([spec.code(); 32]);
    engine(spec, Backend::Portable).generate(&mut drbg, &mut batch, rows).unwrap();
    batch
}

#[test]
fn every_spec_has_its_encoded_sizes_and_passes_the_checker() {
    for spec in KeyPairSpec::ALL {
        let batch = pairs(spec, 2);
        for row in 0..2 {
            let private = batch.private_key(row);
            check_pair(spec, batch.public_key(row), private).unwrap();
            let spread = if spec.private_key_is_fixed_size() { 0 } else { 12 };
            let longest = spec.private_key_bytes_max();
            assert!((longest - spread..=longest).contains(&private.len()), "{spec}");
        }
        assert_ne!(batch.public_key(0), batch.public_key(1), "{spec}");
    }
}

#[test]
fn checker_refuses_every_altered_byte_and_a_stranger() {
    for spec in KeyPairSpec::ALL.into_iter().filter(|spec| spec.rsa_bits().is_none()) {
        let batch = pairs(spec, 2);
        let (public, private) = (batch.public_key(0), batch.private_key(0));
        assert_eq!(check_pair(spec, batch.public_key(1), private), Err(CheckError::Mismatch));
        // The second half of an ML-KEM seed is the implicit-rejection secret: it has no share in
        // the public key.
        let is_lattice = private.len() == KeyPairSpec::MlKem512.private_key_bytes_max();
        let bound = if is_lattice { private.len() - 32 } else { private.len() };
        for at in 0..bound {
            let mut altered = private.to_vec();
            altered[at] ^= 1;
            assert!(check_pair(spec, public, &altered).is_err(), "{spec}, byte {at}");
        }
        assert!(check_pair(spec, public, &private[..private.len() - 1]).is_err(), "{spec}");
    }
}

#[test]
fn checker_refuses_altered_rsa_keys() {
    let batch = pairs(KeyPairSpec::Rsa2048, 1);
    let (public, private) = (batch.public_key(0), batch.private_key(0));
    for at in (0..private.len()).step_by(37) {
        let mut altered = private.to_vec();
        altered[at] ^= 4;
        assert!(check_pair(KeyPairSpec::Rsa2048, public, &altered).is_err(), "byte {at}");
    }
    assert!(check_pair(KeyPairSpec::Rsa3072, public, private).is_err());
}

/// Whatever the CPU has is judged by the checker, in batches that do not fill the lanes.
#[test]
fn the_engines_of_this_machine_make_sound_pairs() {
    let backend = BackendChoice::Auto.select().unwrap();
    for spec in KeyPairSpec::ALL {
        let mut engine = engine(spec, backend);
        let mut drbg = Drbg::from_seed([spec.code(); 32]);
        for rows in [1, 3, 9] {
            let mut batch = KeyPairBatch::with_capacity(spec, rows);
            engine.generate(&mut drbg, &mut batch, rows).unwrap();
            for row in 0..rows {
                check_pair(spec, batch.public_key(row), batch.private_key(row)).unwrap();
            }
        }
    }
}

/// Two copies of a process share the past of their engines, but no reseeded generator. If
/// anything drawn in the past came into a later batch, it would come into both copies' keys: two
/// moduli with one prime in common betray both.
#[test]
fn a_batch_depends_on_its_generator_only() {
    let backends = [BackendChoice::Auto, BackendChoice::Portable].map(|b| b.select().unwrap());
    for (spec, backend) in KeyPairSpec::ALL.into_iter().flat_map(|s| backends.map(|b| (s, b))) {
        let batch = |engine: &mut dyn Engine, seed| {
            let mut batch = KeyPairBatch::with_capacity(spec, 1);
            engine.generate(&mut Drbg::from_seed([seed; 32]), &mut batch, 1).unwrap();
            batch.public_key(0).to_vec()
        };
        let [mut used, mut fresh] = [(); 2].map(|()| engine(spec, backend));
        batch(used.as_mut(), 1);
        assert_eq!(batch(used.as_mut(), 2), batch(fresh.as_mut(), 2), "{spec}, {backend}");
    }
}
