//! HMAC (FIPS 198-1) under a KMS key, with the four SHA-2 functions of the service.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha224, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use crate::secret::Secret;
use crate::spec::MacAlgorithm;

/// The key of an HMAC KMS key.
pub struct MacKey {
    algorithm: MacAlgorithm,
    key: Secret<Vec<u8>>,
}

impl MacKey {
    /// A key for `algorithm`; none if it is not as long as a MAC.
    #[must_use]
    pub fn new(algorithm: MacAlgorithm, key: Secret<Vec<u8>>) -> Option<Self> {
        (key.expose().len() == algorithm.bytes()).then_some(Self { algorithm, key })
    }

    /// The code of `message`.
    ///
    /// # Panics
    ///
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn generate(&self, message: &[u8]) -> Vec<u8> {
        match self.algorithm {
            MacAlgorithm::HmacSha224 => self.code::<Hmac<Sha224>>(message),
            MacAlgorithm::HmacSha256 => self.code::<Hmac<Sha256>>(message),
            MacAlgorithm::HmacSha384 => self.code::<Hmac<Sha384>>(message),
            MacAlgorithm::HmacSha512 => self.code::<Hmac<Sha512>>(message),
        }
    }

    /// Whether `code` is the code of `message`; compared in constant time.
    #[must_use]
    pub fn verify(&self, message: &[u8], code: &[u8]) -> bool {
        self.generate(message).ct_eq(code).into()
    }

    fn code<M: Mac + KeyInit>(&self, message: &[u8]) -> Vec<u8> {
        let keyed = <M as KeyInit>::new_from_slice(self.key.expose());
        let keyed = keyed.expect("HMAC takes keys of any length");
        keyed.chain_update(message).finalize().into_bytes().to_vec()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::vectors::from_hex;

    /// RFC 4231, test case 6: a key of 131 bytes, which is hashed first. KMS keys have no such
    /// length, so that the function is asked past the check of it.
    #[test]
    fn the_codes_of_rfc_4231() {
        let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
        for (algorithm, code) in [
            (MacAlgorithm::HmacSha224, "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e"),
            (
                MacAlgorithm::HmacSha256,
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                MacAlgorithm::HmacSha384,
                "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296\
                 248df163f44952",
            ),
            (
                MacAlgorithm::HmacSha512,
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd\
                 0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
            ),
        ] {
            let key = MacKey { algorithm, key: Secret::new(vec![0xaa; 131]) };
            let code = from_hex(code);
            assert_eq!(key.generate(message), code, "{algorithm}");
            assert!(key.verify(message, &code), "{algorithm}");
            assert!(!key.verify(message, &code[..16]), "{algorithm}: a part of it");
            assert!(!key.verify(b"another message", &code), "{algorithm}");
        }
    }

    #[test]
    fn a_key_is_as_long_as_its_code() {
        for &algorithm in MacAlgorithm::ALL {
            let key = |bytes| MacKey::new(algorithm, Secret::new(vec![1; bytes]));
            assert_eq!(key(algorithm.bytes()).unwrap().generate(b"").len(), algorithm.bytes());
            assert!(key(algorithm.bytes() - 1).is_none());
        }
    }
}
