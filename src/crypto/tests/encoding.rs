//! The RSA writer against the `pkcs1` and `pkcs8` crates, on numbers of every length.

use proptest::prelude::*;
use rsa::pkcs1;
use rsa::pkcs8::der::Encode;
use rsa::pkcs8::der::asn1::{AnyRef, OctetStringRef, UintRef};
use rsa::pkcs8::spki::AlgorithmIdentifier;
use rsa::pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};

use crate::crypto::der::{RsaNumbers, write_rsa};
use crate::spec::KeyPairSpec;

/// What the crates make of `numbers`, as PKCS#8.
fn by_the_crates(numbers: &RsaNumbers<'_>) -> Vec<u8> {
    let uint = |digits| UintRef::new(digits).unwrap();
    let key = pkcs1::RsaPrivateKey {
        modulus: uint(numbers.n),
        public_exponent: uint(&[1, 0, 1]),
        private_exponent: uint(numbers.d),
        prime1: uint(numbers.p),
        prime2: uint(numbers.q),
        exponent1: uint(numbers.dp),
        exponent2: uint(numbers.dq),
        coefficient: uint(numbers.qinv),
        other_prime_infos: None,
    };
    let octets = key.to_der().unwrap();
    let algorithm = AlgorithmIdentifier {
        oid: ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"),
        parameters: Some(AnyRef::NULL),
    };
    PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&octets).unwrap()).to_der().unwrap()
}

/// A number of at most `bytes` bytes; short ones, signs and zeros in front are frequent.
fn number(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![1..=bytes, 126..=bytes, Just(bytes)];
    let first = prop_oneof![Just(0), Just(0x7f), Just(0x80), any::<u8>()];
    (length, first, any::<u8>()).prop_map(|(length, first, rest)| {
        let mut digits = vec![rest; length];
        digits[0] = first;
        digits
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn rsa_writer_agrees_with_the_crates_on_every_length(
        spec in proptest::sample::select(&KeyPairSpec::ALL[..3]),
        top in 0x80_u8..=0xff,
        d in number(256),
        half in proptest::array::uniform5(number(128)),
    ) {
        let mut n = vec![0x5a; spec.rsa_bits().unwrap() / 8];
        n[0] = top;
        let [p, q, dp, dq, qinv] = half.each_ref().map(Vec::as_slice);
        let numbers = RsaNumbers { n: &n, d: &d, p, q, dp, dq, qinv };
        let mut spki = vec![0; spec.public_key_bytes()];
        let mut pkcs8 = vec![0; spec.private_key_bytes_max()];
        let length = write_rsa(&numbers, &mut spki, &mut pkcs8);
        prop_assert_eq!(&pkcs8[..length], by_the_crates(&numbers));
    }
}

/// With every integer at full length and its sign byte, the encoding is exactly the bound.
#[test]
fn longest_rsa_key_fills_the_room_of_its_spec() {
    for spec in &KeyPairSpec::ALL[..3] {
        let whole = vec![0xff; spec.rsa_bits().unwrap() / 8];
        let half = &whole[..whole.len() / 2];
        let numbers =
            RsaNumbers { n: &whole, d: &whole, p: half, q: half, dp: half, dq: half, qinv: half };
        let mut spki = vec![0; spec.public_key_bytes()];
        let mut pkcs8 = vec![0; spec.private_key_bytes_max()];
        assert_eq!(write_rsa(&numbers, &mut spki, &mut pkcs8), pkcs8.len(), "{spec}");
    }
}
