//! The writer against the `pkcs1` and `pkcs8` crates, on numbers of every length.

use proptest::prelude::*;

use super::der;
use super::parts::Parts;
use crate::crypto::tests::faults::rsa_by_the_crates;
use crate::spec::KeyPairSpec;

/// Both halves as written here, from big-endian numbers.
fn written(spec: KeyPairSpec, numbers: [&[u8]; 7]) -> (Vec<u8>, Vec<u8>) {
    let [n, d, p, q, dp, dq, qinv] = numbers.map(limbs);
    let parts = Parts { n, d, p, q, dp, dq, qinv };
    let mut spki = vec![0; spec.public_key_bytes()];
    let mut pkcs8 = vec![0; spec.private_key_bytes_max()];
    let length = der::encode(&parts, &mut spki, &mut pkcs8);
    pkcs8.truncate(length);
    (spki, pkcs8)
}

fn limbs(number: &[u8]) -> Vec<u64> {
    let byte = |(at, byte): (usize, &u8)| u64::from(*byte) << (8 * at);
    number.rchunks(8).map(|limb| limb.iter().rev().enumerate().map(byte).sum()).collect()
}

/// A number of at most `bytes` bytes; short ones, signs and zeros in front are frequent.
fn number(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![1..=bytes, 126..=bytes, Just(bytes)];
    let first = prop_oneof![Just(0), Just(0x7f), Just(0x80), any::<u8>()];
    (length, first, any::<[u8; 8]>()).prop_map(|(length, first, rest)| {
        let mut digits: Vec<u8> = rest.into_iter().cycle().take(length).collect();
        digits[0] = first;
        digits
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn writer_agrees_with_the_crates_on_every_length(
        spec in proptest::sample::select(&KeyPairSpec::ALL[..3]),
        top in 0x80_u8..=0xff,
        d in number(256),
        half in proptest::array::uniform5(number(128)),
    ) {
        let mut n = vec![0x5a; spec.rsa_bits().unwrap() / 8];
        n[0] = top;
        let [p, q, dp, dq, qinv] = half.each_ref().map(Vec::as_slice);
        let numbers = [n.as_slice(), &d, p, q, dp, dq, qinv];
        prop_assert_eq!(written(spec, numbers), rsa_by_the_crates(numbers));
    }
}

/// With every integer at full length and its sign byte, the encoding is exactly the bound.
#[test]
fn longest_key_fills_the_room_of_its_spec() {
    for spec in &KeyPairSpec::ALL[..3] {
        let whole = vec![0xff; spec.rsa_bits().unwrap() / 8];
        let half = &whole[..whole.len() / 2];
        let (_, pkcs8) = written(*spec, [&whole, &whole, half, half, half, half, half]);
        assert_eq!(pkcs8.len(), spec.private_key_bytes_max(), "{spec}");
    }
}
