//! The frame around the slots: end of stream, footer, length, magic, and the length of the file.

use core::fmt;

use super::description::PartDescription;
use super::layout::Layout;
use super::message::{self, END_OF_STREAM, FILE_END, FOOTER_SEAL, FOOTER_SEAL_BYTES};
use super::trailer::read_u32;

/// What is wrong with the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameFault {
    /// All space is there and the footer was never written: a run that is not finished.
    Unfinished,
    /// The file ends before its last slot or footer does.
    Truncated,
    /// The end-of-stream mark, the footer or the file's last bytes are damaged.
    Footer,
}

impl fmt::Display for FrameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "it was never finished: the footer is not written yet",
            Self::Truncated => "it is cut off",
            Self::Footer => "its footer is damaged",
        })
    }
}

/// Checks everything in `file` behind the slots, and the prefix by its checksum.
pub(super) fn check(
    file: &[u8],
    layout: &Layout,
    description: &PartDescription,
    prefix_crc: u32,
) -> Result<(), FrameFault> {
    let start = usize::try_from(layout.slots_end()).map_err(|_| FrameFault::Truncated)?;
    let tail = file.get(start..).ok_or(FrameFault::Truncated)?;
    if tail.is_empty() {
        return Err(FrameFault::Truncated);
    }
    if tail.iter().all(|&byte| byte == 0) {
        return Err(FrameFault::Unfinished);
    }
    let footer = footer(tail).ok_or(FrameFault::Footer)?;
    let (flatbuffer, seal) = footer.split_at(footer.len() - FOOTER_SEAL_BYTES);
    let sealed = &tail[..END_OF_STREAM.len() + footer.len() - 4];
    let is_right = seal.starts_with(&FOOTER_SEAL)
        && read_u32(seal, 4) == Some(crc32c::crc32c_append(prefix_crc, sealed))
        && message::is_footer(flatbuffer, layout, description);
    if is_right { Ok(()) } else { Err(FrameFault::Footer) }
}

/// The footer with its seal, if what surrounds it leaves no byte over.
fn footer(tail: &[u8]) -> Option<&[u8]> {
    let rest = tail.strip_prefix(&END_OF_STREAM)?.strip_suffix(&FILE_END)?;
    let (footer, length) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
    let is_length = read_u32(length, 0)? as usize == footer.len();
    (is_length && footer.len() >= FOOTER_SEAL_BYTES).then_some(footer)
}
