//! RSA keys with one thing wrong, all else recomputed to fit: what bit flips never reach.

use num_bigint_dig::{BigUint, ModInverse};
use rsa::pkcs1;
use rsa::pkcs8::der::Encode;
use rsa::pkcs8::der::asn1::{AnyRef, BitStringRef, OctetStringRef, UintRef};
use rsa::pkcs8::spki::AlgorithmIdentifier;
use rsa::pkcs8::{DecodePrivateKey, ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfo};
use rsa::traits::PrivateKeyParts;

use super::pairs;
use crate::crypto::check::{CheckError, check_pair};
use crate::spec::KeyPairSpec;

const SPEC: KeyPairSpec = KeyPairSpec::Rsa2048;

/// The numbers of an RSA key pair, free to be wrong.
#[derive(Clone)]
struct Numbers {
    n: BigUint,
    d: BigUint,
    p: BigUint,
    q: BigUint,
    dp: BigUint,
    dq: BigUint,
    qinv: BigUint,
}

impl Numbers {
    /// The key that p and q would make if both were prime; none if e has no inverse.
    fn from_factors(p: &BigUint, q: &BigUint) -> Option<Self> {
        let one = BigUint::from(1_u32);
        let (p1, q1) = (p - &one, q - &one);
        let d = BigUint::from(65537_u32).mod_inverse(&p1 * &q1)?.to_biguint()?;
        let qinv = q.mod_inverse(p)?.to_biguint()?;
        Some(Self { n: p * q, dp: &d % &p1, dq: &d % &q1, d, p: p.clone(), q: q.clone(), qinv })
    }

    fn check(&self) -> Result<(), CheckError> {
        let Self { n, d, p, q, dp, dq, qinv } = self;
        let numbers = [n, d, p, q, dp, dq, qinv].map(BigUint::to_bytes_be);
        let (spki, pkcs8) = rsa_by_the_crates(numbers.each_ref().map(Vec::as_slice));
        check_pair(SPEC, &spki, &pkcs8)
    }
}

/// SPKI and PKCS#8 of n, d, p, q, dp, dq and qinv, big-endian, as the `pkcs1` and `pkcs8` crates
/// write them; they ask for no relation between the numbers.
pub(crate) fn rsa_by_the_crates(numbers: [&[u8]; 7]) -> (Vec<u8>, Vec<u8>) {
    let [modulus, private_exponent, prime1, prime2, exponent1, exponent2, coefficient] =
        numbers.map(|digits| UintRef::new(digits).unwrap());
    let public_exponent = UintRef::new(&[1, 0, 1]).unwrap();
    let algorithm = AlgorithmIdentifier {
        oid: ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"),
        parameters: Some(AnyRef::NULL),
    };
    let public = pkcs1::RsaPublicKey { modulus, public_exponent }.to_der().unwrap();
    let subject_public_key = BitStringRef::from_bytes(&public).unwrap();
    let spki = SubjectPublicKeyInfo { algorithm, subject_public_key };
    let private = pkcs1::RsaPrivateKey {
        modulus,
        public_exponent,
        private_exponent,
        prime1,
        prime2,
        exponent1,
        exponent2,
        coefficient,
        other_prime_infos: None,
    };
    let private = private.to_der().unwrap();
    let pkcs8 = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&private).unwrap());
    (spki.to_der().unwrap(), pkcs8.to_der().unwrap())
}

fn primes() -> [BigUint; 2] {
    let batch = pairs(SPEC, 1);
    let key = rsa::PrivateKey::from_pkcs8_der(batch.private_key(0)).unwrap();
    [0, 1].map(|at| BigUint::from_bytes_be(&key.primes()[at].to_be_bytes()))
}

#[test]
fn checker_takes_the_key_of_two_primes() {
    let [p, q] = primes();
    assert_eq!(Numbers::from_factors(&p, &q).unwrap().check(), Ok(()));
}

/// Such a key fulfils every congruence between its numbers; only using it shows the fault.
#[test]
fn checker_refuses_a_composite_in_place_of_a_prime() {
    let [p, q] = primes();
    let composites = (1_u32..).map(|step| &p + BigUint::from(2 * step));
    let is_composite = |number: &BigUint| number % 3_u32 == BigUint::from(0_u32);
    let mut refused = 0;
    for composite in composites.filter(is_composite).take(4) {
        let Some(numbers) = Numbers::from_factors(&composite, &q) else { continue };
        assert_eq!(numbers.check(), Err(CheckError::PrivateKey));
        refused += 1;
    }
    assert!(refused > 0, "no composite could be tried");
}

#[test]
fn checker_refuses_every_number_that_does_not_fit() {
    let [p, q] = primes();
    let sound = Numbers::from_factors(&p, &q).unwrap();
    for (at, name) in ["n", "d", "p", "q", "dp", "dq", "qinv"].into_iter().enumerate() {
        let mut key = sound.clone();
        let Numbers { n, d, p, q, dp, dq, qinv } = &mut key;
        *[n, d, p, q, dp, dq, qinv][at] += 2_u32;
        assert!(key.check().is_err(), "{name}");
    }
    let mut unreduced = sound.clone();
    unreduced.dp += &p - BigUint::from(1_u32);
    assert!(unreduced.check().is_err(), "dp, not reduced");
    let mut swapped = sound;
    core::mem::swap(&mut swapped.p, &mut swapped.q);
    assert!(swapped.check().is_err(), "p and q exchanged, the rest not");
}
