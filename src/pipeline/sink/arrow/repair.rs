//! What a killed run committed, as a file that every Arrow reader opens.
//!
//! For the case that a job will not be finished, or cannot be. The temporary file stays as it is,
//! so that repeating the command still resumes it: whoever does both issues two sets of keys for
//! the same rows, which is why a repaired file says so in its metadata.

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::description::PartDescription;
use super::error::Error;
use super::layout::Layout;
use super::message;
use super::reader::PartFile;
use super::slot::SlotState;
use super::trailer::Trailer;
use crate::sys::file::{self, LockedFile};

/// What [`repair`] found and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepairReport {
    /// Slots kept.
    pub committed: u64,
    /// Slots begun and not whole, left out.
    pub torn: u64,
    /// Slots never begun.
    pub missing: u64,
    /// Rows kept.
    pub rows: u64,
    /// Size of the new file.
    pub bytes: u64,
}

/// Copies the committed slots of the part at `source` into a new part at `out`.
///
/// # Errors
///
/// Those of [`PartFile::open`]; [`Error::Exists`] if `out` is taken, [`Error::Reserved`] if it is
/// the name under which `source` would be published; [`Error::DiskFull`], [`Error::Io`].
pub fn repair(source: &Path, out: &Path) -> Result<RepairReport, Error> {
    if file::temporary_path(out) == source {
        return Err(Error::Reserved { path: out.to_owned() });
    }
    let part = PartFile::open(source)?;
    if std::fs::symlink_metadata(out).is_ok() {
        return Err(Error::Exists { path: out.to_owned() });
    }
    let states: Vec<_> = part.slots().collect();
    let kept: Vec<u64> = states
        .iter()
        .filter_map(|&(slot, state)| (state == SlotState::Committed).then_some(slot))
        .collect();
    let torn = states.iter().filter(|(_, state)| matches!(state, SlotState::Torn(_))).count();
    let copy = Copy::new(&part, kept)?;
    copy.publish(out)?;
    let committed = copy.kept.len() as u64;
    Ok(RepairReport {
        committed,
        torn: torn as u64,
        missing: part.layout().slots() - committed - torn as u64,
        rows: copy.description.rows,
        bytes: copy.layout.file_bytes(),
    })
}

/// The new part.
struct Copy<'a> {
    part: &'a PartFile,
    kept: Vec<u64>,
    description: PartDescription,
    layout: Layout,
}

impl<'a> Copy<'a> {
    fn new(part: &'a PartFile, kept: Vec<u64>) -> Result<Self, Error> {
        let rows = kept.iter().map(|&slot| part.layout().rows_in(slot) as u64).sum();
        let repaired = part.description().repaired.or(Some(part.rows()));
        let description = PartDescription { rows, repaired, ..part.description().clone() };
        let layout = Layout::new(&description)?;
        Ok(Self { part, kept, description, layout })
    }

    fn publish(&self, out: &Path) -> Result<(), Error> {
        let temporary = beside(out);
        let io = |source| Error::io(&temporary, "write", source);
        let file = LockedFile::open_exclusive(&temporary).map_err(io)?;
        if file.bytes().map_err(io)? > 0 {
            return Err(Error::Exists { path: temporary.clone() });
        }
        let space = |source| Error::space(&temporary, "write", self.layout.file_bytes(), source);
        let done = self
            .write(&mut BufWriter::with_capacity(1 << 16, file.file()))
            .and_then(|()| file.sync())
            .map_err(space)
            .and_then(|()| {
                file::publish(&temporary, out).map_err(|source| Error::io(out, "publish", source))
            });
        std::fs::remove_file(&temporary).map_err(io)?;
        done?;
        file::sync_directory_of(out)
            .map_err(|source| Error::io(out, "sync the directory of", source))
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let schema = message::schema(&self.description, self.layout.slot_bytes());
        let prefix = message::prefix(&schema);
        let prefix_crc = crc32c::crc32c(&prefix);
        out.write_all(&prefix)?;
        for (number, &slot) in (0_u32..).zip(&self.kept) {
            let place = self.part.layout().slot.trailer;
            let bytes = self.part.slot_bytes(slot).unwrap_or_default();
            let trailer = bytes.get(place.range()).and_then(Trailer::decode);
            let (Some(body), Some(trailer)) = (bytes.get(..place.start), trailer) else {
                return Err(std::io::ErrorKind::InvalidData.into());
            };
            out.write_all(body)?;
            out.write_all(&Trailer { slot: number, prefix_crc, ..trailer }.encode())?;
        }
        out.write_all(&message::tail(&schema, &self.layout, prefix_crc))?;
        out.flush()
    }
}

/// A name for the file while it is written, which no run of a job uses.
fn beside(out: &Path) -> PathBuf {
    let mut name = out.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".repair");
    file::temporary_path(&out.with_file_name(name))
}
