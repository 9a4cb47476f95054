//! What is known of a part before its first row, and what may be on the disk already.

use std::io;
use std::path::{Path, PathBuf};

use super::description::{GENERATOR, PartDescription};
use super::error::{Damage, Error};
use super::layout::Layout;
use super::message;
use super::reader::PartFile;
use super::slot::Identity;
use crate::limits::PART_PREFIX_BYTES_MAX;
use crate::sys::file::{self, LockedFile};

/// A published part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Its slots.
    pub slots: u64,
    /// Rows found committed by an earlier run.
    pub rows_resumed: u64,
    /// Whether this run published it; false if it was there before, or another run of the same
    /// job was first.
    pub published_here: bool,
}

/// Everything about a part that is known before any file is touched.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) path: PathBuf,
    pub(super) temporary: PathBuf,
    pub(super) description: PartDescription,
    pub(super) layout: Layout,
    pub(super) prefix: Vec<u8>,
    pub(super) tail: Vec<u8>,
    pub(super) identity: Identity,
}

impl Plan {
    pub(super) fn new(path: &Path, description: &PartDescription) -> Result<Self, Error> {
        let layout = Layout::new(description)?;
        let schema = message::schema(description, layout.slot_bytes());
        let prefix = message::prefix(&schema);
        let prefix_crc = crc32c::crc32c(&prefix);
        Ok(Self {
            path: path.to_owned(),
            temporary: file::temporary_path(path),
            description: description.clone(),
            identity: Identity { job_id: description.job_id, prefix_crc },
            tail: message::tail(&schema, &layout, prefix_crc),
            prefix,
            layout,
        })
    }

    /// The summary of a file that is published already, if there is one and it is this part.
    pub(super) fn published(&self) -> Result<Option<Summary>, Error> {
        let part = match PartFile::open(&self.path) {
            Ok(part) => part,
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.check_same_job(&self.path, part.description())?;
        if !part.is_complete() {
            return Err(Error::Damaged { path: self.path.clone(), what: Damage::Footer });
        }
        Ok(Some(self.summary(part.bytes(), 0, false)))
    }

    pub(super) fn summary(&self, bytes: u64, rows_resumed: u64, published_here: bool) -> Summary {
        Summary {
            path: self.path.clone(),
            bytes,
            rows: self.layout.rows(),
            slots: self.layout.slots(),
            rows_resumed,
            published_here,
        }
    }

    pub(super) fn check_same_job(&self, path: &Path, found: &PartDescription) -> Result<(), Error> {
        match found.difference(&self.description) {
            Some((field, found, wanted)) => {
                Err(Error::OtherJob { path: path.to_owned(), field, found, wanted })
            }
            None => Ok(()),
        }
    }

    /// Removes the temporary name of a published file, left by a kill between link and unlink.
    pub(super) fn tidy(&self) -> Result<(), Error> {
        let io = |source| Error::io(&self.temporary, "remove", source);
        if file::are_same_file(&self.temporary, &self.path).map_err(io)? {
            self.remove_temporary()?;
        }
        Ok(())
    }

    pub(super) fn remove_temporary(&self) -> Result<(), Error> {
        std::fs::remove_file(&self.temporary)
            .map_err(|source| Error::io(&self.temporary, "remove", source))?;
        file::sync_directory_of(&self.path)
            .map_err(|source| Error::io(&self.path, "sync the directory of", source))
    }

    /// Whether the locked temporary file holds slots worth keeping; if not, it may be cleared.
    ///
    /// # Errors
    ///
    /// If it is not this part's, and not the debris of a creation that was cut short.
    pub(super) fn is_resumable(&self, file: &LockedFile) -> Result<bool, Error> {
        let io = |source| Error::io(&self.temporary, "read", source);
        let bytes = file.bytes().map_err(io)?;
        let start = file.read_start(PART_PREFIX_BYTES_MAX).map_err(io)?;
        if start.starts_with(&self.prefix) {
            if bytes > self.layout.file_bytes() {
                return Err(Error::Damaged { path: self.temporary.clone(), what: Damage::Length });
            }
            return Ok(true);
        }
        let same = self.prefix.iter().zip(&start).take_while(|(a, b)| a == b).count();
        if file.is_zero_from(same as u64).map_err(io)? {
            return Ok(false);
        }
        Err(self.refuse(start))
    }

    /// Says what a temporary file is that is not this part's.
    fn refuse(&self, start: Vec<u8>) -> Error {
        let path = self.temporary.clone();
        let is_ours_cut_short = start.iter().zip(&self.prefix).all(|(a, b)| *a == 0 || a == b);
        match PartFile::from_bytes(start) {
            Ok(part) => match self.check_same_job(&path, part.description()) {
                Err(error) => error,
                Ok(()) => Error::OtherJob {
                    path,
                    field: "Generator",
                    found: part.generator().to_owned(),
                    wanted: GENERATOR.to_owned(),
                },
            },
            Err(Error::Damaged { what, .. }) => Error::Damaged { path, what },
            Err(_) if is_ours_cut_short => Error::Damaged { path, what: Damage::Creation },
            Err(_) => Error::NotOurs { path },
        }
    }
}
