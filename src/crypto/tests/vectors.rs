//! Published key pairs: encoder and checker must agree with them, not only with each other.
//!
//! Origin of the vectors: `tests/data/README.md`.

use crate::crypto::check::{CheckError, check_pair, public_from_private};
use crate::crypto::der::{read_fixed, write_fixed};
use crate::crypto::portable::expand;
use crate::spec::KeyPairSpec;

const KEY_PAIRS: &str = include_str!("../../../tests/data/key_pairs.txt");

pub(crate) fn from_hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The lines of a file of vectors, as fields.
pub(crate) fn lines<const FIELDS: usize>(file: &str) -> impl Iterator<Item = [&str; FIELDS]> {
    let vectors = file.lines().filter(|line| !line.starts_with('#'));
    vectors.map(|line| line.split(' ').collect::<Vec<_>>().try_into().unwrap())
}

#[test]
fn published_key_pairs_encode_and_check() {
    let mut seen = Vec::new();
    for [spec, private, public] in lines(KEY_PAIRS) {
        let spec: KeyPairSpec = spec.parse().unwrap();
        let (private, public) = (from_hex(private), from_hex(public));
        let mut spki = vec![0; spec.public_key_bytes()];
        let mut pkcs8 = vec![0; spec.private_key_bytes_max()];
        let length = write_fixed(spec, &private, &public, &mut spki, &mut pkcs8);
        assert_eq!(length, pkcs8.len());
        assert_eq!(read_fixed(spec, &pkcs8), Some(private.as_slice()), "{spec}");
        assert_eq!(public_from_private(spec, &pkcs8).as_ref(), Ok(&spki), "{spec}");
        seen.push(spec);
    }
    for spec in KeyPairSpec::ALL.into_iter().filter(|spec| spec.rsa_bits().is_none()) {
        assert!(seen.iter().filter(|of| **of == spec).count() >= 3, "{spec} has too few vectors");
    }
}

/// The generator's expansion itself; the test above goes through the checker's.
#[test]
fn published_seeds_expand_to_their_encapsulation_keys() {
    let mut tested = 0;
    let lattices = |fields: &[&str; 3]| fields[0].starts_with("ML_KEM");
    for [spec, seed, public] in lines(KEY_PAIRS).filter(lattices) {
        let seed: [u8; 64] = from_hex(seed).try_into().unwrap();
        expand(spec.parse().unwrap(), &seed, |key| assert_eq!(key, from_hex(public), "{spec}"));
        tested += 1;
    }
    assert_eq!(tested, 9);
}

#[test]
fn a_key_of_one_spec_is_none_of_another() {
    for [spec, private, public] in lines(KEY_PAIRS) {
        let of: KeyPairSpec = spec.parse().unwrap();
        let mut spki = vec![0; of.public_key_bytes()];
        let mut pkcs8 = vec![0; of.private_key_bytes_max()];
        write_fixed(of, &from_hex(private), &from_hex(public), &mut spki, &mut pkcs8);
        for spec in KeyPairSpec::ALL.into_iter().filter(|spec| *spec != of) {
            assert_eq!(check_pair(spec, &spki, &pkcs8), Err(CheckError::PrivateKey), "{of} {spec}");
        }
    }
}

/// Zero and the group's order are no scalars, whatever stands beside them.
#[test]
fn scalars_out_of_range_are_refused() {
    let mut curves = 0;
    for [spec, last, public] in lines(KEY_PAIRS).filter(is_last_scalar) {
        let spec: KeyPairSpec = spec.parse().unwrap();
        let mut order = from_hex(last);
        *order.last_mut().unwrap() += 1;
        for scalar in [vec![0; order.len()], order] {
            let mut spki = vec![0; spec.public_key_bytes()];
            let mut pkcs8 = vec![0; spec.private_key_bytes_max()];
            write_fixed(spec, &scalar, &from_hex(public), &mut spki, &mut pkcs8);
            assert_eq!(check_pair(spec, &spki, &pkcs8), Err(CheckError::PrivateKey), "{spec}");
        }
        curves += 1;
    }
    assert_eq!(curves, 5);
}

/// Whether the row is the one of n - 1, told by the ends of the five orders.
fn is_last_scalar([_, scalar, _]: &[&str; 3]) -> bool {
    let ends = ["fc632550", "ccc52972", "91386408", "d0364140", "39d54122"];
    ends.iter().any(|end| scalar.ends_with(end))
}
