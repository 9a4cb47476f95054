//! `AnswerBody`: the text of an answer, in memory that goes from one answer to the next.
//!
//! An answer lives from its call until hyper has copied it behind its head. So many answers of
//! several kilobytes come and go that the allocator's share would show; each thread keeps the room of
//! those that are sent for those to come.

use core::cell::RefCell;
use core::fmt;

use bytes::Buf;
use zeroize::Zeroize;

use crate::crypto::seal::{HEADER_BYTES, TAG_BYTES};
use crate::spec::KeyPairSpec;

/// Room for every answer that shows a secret, and nearly all others.
const ANSWER_BYTES: usize = 8192;

const _: () = {
    let largest = KeyPairSpec::Rsa4096;
    let (public, private) = (largest.public_key_bytes(), largest.private_key_bytes_max());
    // In base64, with the ARN and the names of the members.
    assert!((public + private + HEADER_BYTES + private + TAG_BYTES) * 4 / 3 + 512 < ANSWER_BYTES);
};

/// Rooms that a thread keeps: what a burst of its connections may want at once.
const SPARES_MAX: usize = 256;

/// The largest that is kept.
const SPARE_BYTES_MAX: usize = 2 * ANSWER_BYTES;

thread_local! {
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty text with room for an answer.
pub(super) fn empty_text() -> Vec<u8> {
    let spare = SPARES.with_borrow_mut(Vec::pop);
    let mut text = spare.unwrap_or_else(|| Vec::with_capacity(ANSWER_BYTES));
    text.clear();
    text
}

/// What is sent behind the head of an answer. Zeroed on drop: a plaintext key may stand there.
pub(super) struct AnswerBody {
    text: Vec<u8>,
    sent: usize,
}

impl AnswerBody {
    pub(super) const fn new(text: Vec<u8>) -> Self {
        Self { text, sent: 0 }
    }
}

impl Buf for AnswerBody {
    fn remaining(&self) -> usize {
        self.text.len() - self.sent
    }

    fn chunk(&self) -> &[u8] {
        &self.text[self.sent..]
    }

    fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.remaining(), "no more is sent than there is");
        self.sent += bytes;
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.text.as_mut_slice().zeroize();
        if !(ANSWER_BYTES..=SPARE_BYTES_MAX).contains(&self.text.capacity()) {
            return;
        }
        // A thread that ends keeps nothing.
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < SPARES_MAX {
                spares.push(core::mem::take(&mut self.text));
            }
        });
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_sent_whole_and_its_room_used_again() {
        let mut text = empty_text();
        let room = text.as_ptr();
        text.extend_from_slice(b"an answer");
        let mut body = AnswerBody::new(text);
        assert_eq!((body.remaining(), body.chunk()), (9, &b"an answer"[..]));
        body.advance(3);
        assert_eq!((body.remaining(), body.chunk()), (6, &b"answer"[..]));
        assert_eq!(format!("{body:?}"), "AnswerBody { bytes: 9, .. }");
        drop(body);
        SPARES.with_borrow(|spares| assert_eq!(spares.last(), Some(&vec![0; 9])));
        let next = empty_text();
        assert_eq!((next.len(), next.as_ptr()), (0, room));
    }

    #[test]
    fn only_rooms_of_ordinary_size_are_kept_and_not_too_many() {
        SPARES.take();
        for bytes in [0, ANSWER_BYTES - 1, SPARE_BYTES_MAX + 1] {
            drop(AnswerBody::new(Vec::with_capacity(bytes)));
        }
        assert_eq!(SPARES.with_borrow(Vec::len), 0);
        let bodies: Vec<_> =
            (0..=SPARES_MAX).map(|_| AnswerBody::new(Vec::with_capacity(ANSWER_BYTES))).collect();
        drop(bodies);
        assert_eq!(SPARES.with_borrow(Vec::len), SPARES_MAX);
    }
}
