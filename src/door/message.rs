//! What lies in a slot: a request, and its answer or refusal.

use core::fmt;

use super::ring::{ANSWER_BYTES, REQUEST_BYTES};
use crate::limits::{CONTEXT_BYTES_MAX, CONTEXT_PAIRS_MAX, KEY_ID_CHARS_MAX};
use crate::spec::{EncryptionContext, KeyPairSpec, MaterialId};

/// Bytes of a request in front of its texts.
const REQUEST_HEAD: usize = 16;

/// Bytes of an answer in front of its texts.
const ANSWER_HEAD: usize = 44;

const _: () = {
    let context = 4 + 8 * CONTEXT_PAIRS_MAX + CONTEXT_BYTES_MAX;
    assert!(REQUEST_HEAD + KEY_ID_CHARS_MAX + context <= REQUEST_BYTES);
};

/// What a client asks for: one key pair, wrapped.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The KMS key to wrap under: key id, key ARN, alias name or alias ARN.
    pub key_id: &'a str,
    /// The kind of key pair.
    pub spec: KeyPairSpec,
    /// What the private key is bound to.
    pub context: &'a EncryptionContext,
    /// Only ask whether it could be done.
    pub dry_run: bool,
}

impl Request<'_> {
    /// Writes request `number`; false if its texts are longer than a slot.
    pub(super) fn encode(&self, number: u32, out: &mut Vec<u8>) -> bool {
        let Ok(key_id_bytes) = u16::try_from(self.key_id.len()) else { return false };
        out.clear();
        out.extend_from_slice(&number.to_ne_bytes());
        out.extend_from_slice(&[self.spec.code(), self.dry_run.into()]);
        out.extend_from_slice(&key_id_bytes.to_ne_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(self.key_id.as_bytes());
        let context_start = out.len();
        self.context.encode(out);
        let context_bytes = u32::try_from(out.len() - context_start).unwrap_or(u32::MAX);
        out[8..12].copy_from_slice(&context_bytes.to_ne_bytes());
        out.len() <= REQUEST_BYTES
    }
}

/// A request as the server reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'s> {
    pub(super) key_id: &'s str,
    pub(super) spec: KeyPairSpec,
    pub(super) context: EncryptionContext,
    pub(super) dry_run: bool,
}

impl<'s> Asked<'s> {
    /// Reads the copy of a slot that should hold request `number`.
    pub(super) fn decode(slot: &'s [u8; REQUEST_BYTES], number: u32) -> Result<Self, Refusal> {
        let malformed = |what: &str| Refusal::new("SerializationException", what);
        let u32_at =
            |at: usize| u32::from_ne_bytes([slot[at], slot[at + 1], slot[at + 2], slot[at + 3]]);
        if u32_at(0) != number {
            return Err(malformed("the slot holds another request than the next"));
        }
        let spec = KeyPairSpec::from_code(slot[4]).ok_or_else(|| {
            Refusal::new("ValidationException", "the number stands for no KeyPairSpec")
        })?;
        let key_id_bytes = usize::from(u16::from_ne_bytes([slot[6], slot[7]]));
        let context_bytes = u32_at(8) as usize;
        let texts = &slot[REQUEST_HEAD..];
        let key_id = texts.get(..key_id_bytes);
        let key_id = key_id.and_then(|bytes| core::str::from_utf8(bytes).ok());
        let key_id = key_id.ok_or_else(|| malformed("the key id is too long or not UTF-8"))?;
        let context = texts[key_id_bytes..].get(..context_bytes);
        let context = context.ok_or_else(|| malformed("the context is longer than the slot"))?;
        let context = EncryptionContext::decode(context)
            .ok_or_else(|| malformed("the context is not in its canonical form"))?
            .map_err(|error| Refusal::new("ValidationException", error))?;
        Ok(Self { key_id, spec, context, dry_run: slot[5] != 0 })
    }
}

/// A wrapped key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// ARN of the key it is wrapped under.
    pub key_arn: String,
    /// The material of that key.
    pub key_material_id: MaterialId,
    /// `SubjectPublicKeyInfo`, DER.
    pub public_key: Vec<u8>,
    /// PKCS#8, sealed.
    pub private_key_ciphertext_blob: Vec<u8>,
}

/// Why there is no key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the exception that the endpoint would answer with.
    pub name: String,
    /// What is wrong.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(name: &str, message: impl fmt::Display) -> Self {
        Self { name: name.to_owned(), message: message.to_string() }
    }

    /// Writes the answer to request `number`; cuts what is too long.
    pub(super) fn encode(&self, number: u32, out: &mut Vec<u8>) {
        let name = self.name.as_bytes();
        let room = ANSWER_BYTES - ANSWER_HEAD - name.len();
        let message = &self.message.as_bytes()[..self.message.floor_char_boundary(room)];
        head(number, 1, [name, message, &[]], &MaterialId([0; 32]), out);
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

impl core::error::Error for Refusal {}

/// Writes a key pair as the answer to request `number`.
pub(super) fn encode_pair(
    number: u32,
    key_arn: &str,
    material: &MaterialId,
    public_key: &[u8],
    blob: &[u8],
    out: &mut Vec<u8>,
) {
    head(number, 0, [key_arn.as_bytes(), public_key, blob], material, out);
}

fn head(number: u32, kind: u8, texts: [&[u8]; 3], material: &MaterialId, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&number.to_ne_bytes());
    out.extend_from_slice(&[kind, 0]);
    for text in texts {
        let bytes = u16::try_from(text.len()).expect("what fits a slot is short");
        out.extend_from_slice(&bytes.to_ne_bytes());
    }
    out.extend_from_slice(&material.0);
    for text in texts {
        out.extend_from_slice(text);
    }
}

/// Reads the answer to request `number`; `None` if it is none.
pub(super) fn decode_answer(
    slot: &[u8; ANSWER_BYTES],
    number: u32,
) -> Option<Result<Answer, Refusal>> {
    let length = |at: usize| usize::from(u16::from_ne_bytes([slot[at], slot[at + 1]]));
    let (first, second, third) = (length(6), length(8), length(10));
    let texts = slot[ANSWER_HEAD..].get(..first + second + third)?;
    if slot[..4] != number.to_ne_bytes() {
        return None;
    }
    let (first, rest) = texts.split_at(first);
    let (second, third) = rest.split_at(second);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    match slot[4] {
        0 => Some(Ok(Answer {
            key_arn: text(first)?,
            key_material_id: MaterialId(slot[12..ANSWER_HEAD].try_into().ok()?),
            public_key: second.to_vec(),
            private_key_ciphertext_blob: third.to_vec(),
        })),
        1 => Some(Err(Refusal { name: text(first)?, message: text(second)? })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot<const N: usize>(bytes: &[u8]) -> [u8; N] {
        let mut slot = [0xee; N];
        slot[..bytes.len()].copy_from_slice(bytes);
        slot
    }

    #[test]
    fn the_largest_request_comes_through() {
        let pairs = (0..CONTEXT_PAIRS_MAX).map(|n| (format!("{n:016}"), format!("{n:016}")));
        let context = EncryptionContext::from_pairs(pairs).unwrap();
        let key_id = "k".repeat(KEY_ID_CHARS_MAX);
        let spec = KeyPairSpec::MlKem1024;
        let request = Request { key_id: &key_id, spec, context: &context, dry_run: true };
        let mut bytes = Vec::new();
        assert!(request.encode(7, &mut bytes));
        let slot = slot(&bytes);
        let asked = Asked::decode(&slot, 7).unwrap();
        assert_eq!(asked, Asked { key_id: &key_id, spec, context: context.clone(), dry_run: true });
        assert_eq!(Asked::decode(&slot, 8).unwrap_err().name, "SerializationException");
        let long = "k".repeat(REQUEST_BYTES);
        assert!(!Request { key_id: &long, ..request }.encode(7, &mut bytes));
    }

    #[test]
    fn answers_come_through_and_long_messages_are_cut_between_characters() {
        let mut bytes = Vec::new();
        let material = MaterialId([9; 32]);
        encode_pair(5, "arn", &material, &[1; 1590], &[2; 2424], &mut bytes);
        let answer = decode_answer(&slot(&bytes), 5).unwrap().unwrap();
        assert_eq!((&*answer.key_arn, answer.key_material_id), ("arn", material));
        assert_eq!(answer.public_key, [1; 1590]);
        assert_eq!(answer.private_key_ciphertext_blob, [2; 2424]);
        assert_eq!(decode_answer(&slot(&bytes), 6), None);
        let refusal = Refusal::new("NotFoundException", "\u{e9}".repeat(ANSWER_BYTES));
        refusal.encode(6, &mut bytes);
        let cut = decode_answer(&slot(&bytes), 6).unwrap().unwrap_err();
        assert!(bytes.len() <= ANSWER_BYTES && refusal.message.starts_with(&cut.message));
        assert!(cut.message.len() > ANSWER_BYTES - 100);
    }
}
