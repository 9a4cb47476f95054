//! Arrow IPC files, filled in place by many threads and valid at every moment of a crash.
//!
//! Enters: a [`PartDescription`] and, slot by slot, public keys and blobs. Leaves: one file that
//! pyarrow, arrow-rs, Polars, nanoarrow and R read without a copy. It knows nothing of keys.
//!
//! # Layout
//!
//! ```text
//! "ARROW1" 00 00 | schema message, padded to a page inside its metadata
//! slot 0 | slot 1 | ...                                  fixed size, whole pages, no gap
//! end of stream | footer, seal inside | i32 length | "ARROW1"
//!
//! slot:  ff ff ff ff | i32 metadata length | RecordBatch flatbuffer | padding     (header)
//!        Index | for each column: offsets, values | slack | trailer               (body)
//! ```
//!
//! The header is the same for every slot, computed once and copied: key-making threads never
//! touch a flatbuffer. Buffers are 64-byte aligned and have room for the worst slot; what they
//! leave over is slack that the message counts to its body. Never a gap between messages: stream
//! readers take zeros for the end of the stream and lose all that follows without a word.
//!
//! # Commitment
//!
//! The first word of a slot, which every Arrow reader needs to see as `ff ff ff ff`, is its
//! commit word: the page that holds it is written last, after all others of the slot. A killed
//! process so leaves whole slots and slots that do not begin with that word. A machine that loses
//! its power leaves anything; the checksums of the trailer tell whole slots from torn ones. The
//! footer is written when all slots are committed, and the file gets its name when all of it is on
//! the disk. How slots come from the threads that fill them into the file: [`stage`].
//!
//! # Columns
//!
//! `Index` (u64), the manifest's columns (Utf8), `PublicKey` and `PrivateKeyCiphertextBlob`
//! (Binary), none nullable, in every spec alike, so that parts of different specs unite in one
//! data set. Plain `Binary`, no views: a sliced view column drags its whole buffer along when
//! it is written again, and nanoarrow cannot read one. The schema metadata is listed in
//! [`description`].

pub mod check;
pub mod description;
pub mod error;
pub mod frame;
pub mod layout;
mod message;
pub mod plan;
pub mod reader;
pub mod repair;
pub mod slot;
pub mod slot_writer;
pub mod stage;
mod trailer;
pub mod writer;

#[cfg(test)]
mod tests;

pub use check::{Finding, RowFault};
pub use description::{Column, PartDescription};
pub use error::{Damage, Error, PushError};
pub use frame::FrameFault;
pub use layout::{Layout, LayoutError};
pub use plan::Summary;
pub use reader::{PartFile, Row};
pub use repair::{RepairReport, repair};
pub use slot::{SlotFault, SlotState};
pub use slot_writer::SlotWriter;
pub use stage::Stage;
pub use writer::{Opened, PartWriter};
