//! DER of elliptic-curve keys, by templates: everything but the numbers is the same in all keys.
//!
//! Public keys are `SubjectPublicKeyInfo` with a named curve and an uncompressed point (RFC
//! 5480); private keys are PKCS#8 (RFC 5958) around an `ECPrivateKey` with the public key and
//! without a second curve name (RFC 5915), as OpenSSL writes them. Ed25519 follows RFC 8410.

use crate::spec::KeyPairSpec;

/// The constant parts of both encodings.
#[derive(Debug)]
pub(super) struct Templates {
    public_head: Vec<u8>,
    private_head: Vec<u8>,
    /// Between the private scalar and the point.
    private_middle: Vec<u8>,
}

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const VERSION_0: [u8; 3] = [0x02, 0x01, 0];
const VERSION_1: [u8; 3] = [0x02, 0x01, 1];
const EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// The head of an element whose content is `parts` and then `bytes_after` more.
fn open(tag: u8, parts: &[&[u8]], bytes_after: usize) -> Vec<u8> {
    let content = parts.concat();
    let [high, low] = u16::try_from(content.len() + bytes_after).unwrap_or(0).to_be_bytes();
    let mut out = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    out.extend(content);
    out
}

/// Content of the curve's object identifier.
fn curve_identifier(spec: KeyPairSpec) -> &'static [u8] {
    match spec {
        KeyPairSpec::EccNistP256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        KeyPairSpec::EccNistP384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
        KeyPairSpec::EccNistP521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        KeyPairSpec::EccSecgP256k1 => &[0x2b, 0x81, 0x04, 0x00, 0x0a],
        KeyPairSpec::Sm2 => &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d],
        _ => &[0x2b, 0x65, 0x70],
    }
}

impl Templates {
    /// The templates of a spec with coordinates of `bytes` bytes.
    pub(super) fn new(spec: KeyPairSpec, bytes: usize) -> Self {
        let curve = open(OBJECT_IDENTIFIER, &[curve_identifier(spec)], 0);
        if spec == KeyPairSpec::EccNistEdwards25519 {
            let algorithm = open(SEQUENCE, &[&curve], 0);
            let key = open(BIT_STRING, &[&[0]], bytes);
            let seed = open(OCTET_STRING, &[], bytes);
            let seed = open(OCTET_STRING, &[&seed], bytes);
            return Self {
                public_head: open(SEQUENCE, &[&algorithm, &key], bytes),
                private_head: open(SEQUENCE, &[&VERSION_0, &algorithm, &seed], bytes),
                private_middle: Vec::new(),
            };
        }
        let family = open(OBJECT_IDENTIFIER, &[&EC_PUBLIC_KEY], 0);
        let algorithm = open(SEQUENCE, &[&family, &curve], 0);
        let point = open(BIT_STRING, &[&[0, 4]], 2 * bytes);
        let middle = open(0xa1, &[&point], 2 * bytes);
        let scalar = open(OCTET_STRING, &[], bytes);
        let variable = 3 * bytes + middle.len();
        let key = open(SEQUENCE, &[&VERSION_1, &scalar], variable);
        let key = open(OCTET_STRING, &[&key], variable);
        Self {
            public_head: open(SEQUENCE, &[&algorithm, &point], 2 * bytes),
            private_head: open(SEQUENCE, &[&VERSION_0, &algorithm, &key], variable),
            private_middle: middle,
        }
    }

    /// Writes a key pair; `point` is what stands for the public key behind its head.
    ///
    /// Returns the length of the private key's encoding.
    pub(super) fn write(
        &self,
        public: &mut [u8],
        private: &mut [u8],
        secret: &[u8],
        point: impl FnOnce(&mut [u8]),
    ) -> usize {
        let (head, point_room) = public.split_at_mut(self.public_head.len());
        head.copy_from_slice(&self.public_head);
        point(point_room);
        let mut rest = private;
        let mut bytes = 0;
        let tail: &[u8] = if self.private_middle.is_empty() { &[] } else { point_room };
        for part in [&self.private_head, secret, &self.private_middle, tail] {
            let (room, after) = rest.split_at_mut(part.len());
            room.copy_from_slice(part);
            bytes += part.len();
            rest = after;
        }
        bytes
    }
}
