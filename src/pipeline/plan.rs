//! The files a job will consist of, known before the first key is made.
//!
//! A path to a file gives one file; a path to a folder gives parts of bounded size, and a folder
//! for each spec (`KeyPairSpec=RSA_2048/`, as datasets name partitions) if every row names its
//! own.

use std::io;
use std::path::{Path, PathBuf};

use crate::limits::slot_rows;
use crate::pipeline::error::Error;
use crate::pipeline::manifest::check::Group;
use crate::pipeline::request::Request;
use crate::pipeline::sink::arrow::{self, Column, Layout, PartDescription, PartFile, PartWriter};
use crate::spec::{KeyArn, KeyPairSpec, MaterialId};
use crate::sys::features::Backend;
use crate::sys::file::temporary_path;

/// All files of a job, in order.
#[derive(Debug)]
pub struct Plan {
    /// Number that marks the job's files.
    pub job_id: [u8; 32],
    /// The files.
    pub parts: Vec<PartPlan>,
}

/// What is left of an earlier run of a job.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// Whether every file is published.
    pub complete: bool,
    /// The material the job was begun under.
    pub material: Option<MaterialId>,
}

/// One file of a job.
#[derive(Debug)]
pub struct PartPlan {
    /// Where it will be published.
    pub path: PathBuf,
    /// Which of the request's groups its rows are from.
    pub group: usize,
    /// Its first slot, counted within the group.
    pub first_slot: usize,
    /// What its header says.
    pub description: PartDescription,
}

impl Plan {
    /// Plans the files of `request` under `key`.
    ///
    /// A trailing `/`, or a folder that exists, makes `output` a folder. A request by row always
    /// goes into a folder.
    pub fn new(
        request: &Request,
        key: &KeyArn,
        output: &Path,
        part_bytes: u64,
    ) -> Result<Self, Error> {
        let is_folder = request.is_by_row()
            || output.is_dir()
            || output.as_os_str().as_encoded_bytes().ends_with(b"/");
        let part_bytes = if is_folder { part_bytes } else { u64::MAX };
        let job_id = request.job_id(key, part_bytes);
        let mut parts = Vec::new();
        for (position, group) in request.groups().iter().enumerate() {
            let whole = description(request, group, key, job_id);
            let slots = slots_per_part(&whole, part_bytes)?;
            let count = group.slot_count().div_ceil(slots);
            for part in 0..count {
                let mut path = output.to_owned();
                if request.is_by_row() {
                    path.push(format!("KeyPairSpec={}", group.spec));
                }
                if is_folder {
                    path.push(format!("part-{part:05}-of-{count:05}.arrow"));
                }
                let first_slot = part * slots;
                let description = part_of(&whole, part, count, first_slot, slots);
                parts.push(PartPlan { path, group: position, first_slot, description });
            }
        }
        Ok(Self { job_id, parts })
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> Result<u64, Error> {
        let bytes = |part: &PartPlan| Ok(Layout::new(&part.description)?.file_bytes());
        self.parts.iter().map(bytes).sum()
    }

    /// What an earlier run of the same job has left.
    /// Files of other jobs are passed over here; they are refused when they are opened for writing.
    ///
    /// # Errors
    ///
    /// A published file of this job that is damaged: every byte of it is checked, so that a
    /// repeated command never calls a broken file complete.
    pub fn begun(&self) -> Result<Begun, Error> {
        let mut begun = Begun { complete: true, material: None };
        for part in &self.parts {
            let published = self.material_of(&part.path);
            if published.is_some() {
                check_whole(&part.path)?;
            }
            begun.complete &= published.is_some();
            let found = match published {
                None => self.material_of(&temporary_path(&part.path)),
                found => found,
            };
            begun.material = begun.material.or(found);
        }
        Ok(begun)
    }

    /// The material of the file at `path`, if it is of this job.
    fn material_of(&self, path: &Path) -> Option<MaterialId> {
        let file = PartFile::open(path).ok()?;
        let found = file.description();
        (found.job_id == self.job_id).then_some(found.material_id)
    }

    /// Removes what a run that was killed just after publishing left beside the finished files.
    pub fn tidy(&self) -> Result<(), Error> {
        for part in &self.parts {
            // Opening a part that is published does it.
            PartWriter::open_or_resume(&part.path, &part.description)?;
        }
        Ok(())
    }

    /// Makes the folders of the parts.
    pub fn make_folders(&self) -> io::Result<()> {
        for part in &self.parts {
            match part.path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes `material` into every header.
    pub fn seal_under(&mut self, material: MaterialId) {
        for part in &mut self.parts {
            part.description.material_id = material;
        }
    }
}

/// Whether a published file is sound in every byte.
fn check_whole(path: &Path) -> Result<(), arrow::Error> {
    if PartFile::open(path)?.check().is_empty() {
        return Ok(());
    }
    Err(arrow::Error::Damaged { path: path.to_owned(), what: arrow::Damage::Content })
}

fn description(
    request: &Request,
    group: &Group,
    key: &KeyArn,
    job_id: [u8; 32],
) -> PartDescription {
    let columns = request.columns().iter().zip(&group.column_bytes_max);
    PartDescription {
        spec: group.spec,
        key_arn: key.clone(),
        material_id: MaterialId([0; 32]),
        context_template: request.template().to_json(),
        job_id,
        part: 0,
        parts: 1,
        first_row: 0,
        rows: group.rows,
        // A small job gets one small slot, not a large one with little in it.
        slot_rows: slot_rows(group.spec).min(usize::try_from(group.rows).unwrap_or(usize::MAX)),
        manifest_sha256: request.manifest_sha256(),
        repaired: None,
        columns: columns
            .map(|(name, bytes)| Column { name: name.clone(), slot_bytes_max: *bytes })
            .collect(),
    }
}

fn slots_per_part(whole: &PartDescription, part_bytes: u64) -> Result<usize, Error> {
    // The bytes of a slot do not depend on how many there are; one slot is always within bounds.
    let one = PartDescription { rows: whole.rows.min(whole.slot_rows as u64), ..whole.clone() };
    let slots = part_bytes / Layout::new(&one)?.slot_bytes();
    Ok(usize::try_from(slots.max(1)).unwrap_or(usize::MAX))
}

fn part_of(
    whole: &PartDescription,
    part: usize,
    parts: usize,
    first_slot: usize,
    slots: usize,
) -> PartDescription {
    let first_row = (first_slot * whole.slot_rows) as u64;
    let rows = (slots.saturating_mul(whole.slot_rows) as u64).min(whole.rows - first_row);
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    PartDescription { part: number(part), parts: number(parts), first_row, rows, ..whole.clone() }
}

/// Seconds that `rows` key pairs of `spec` take on `threads` cores, to the nearest order.
///
/// With IFMA the rates are half of what two busy cores reached in the README's runs, SM2 taken as
/// P-256, which does the same work; those of the portable engines are what one worker reached on the
/// same machine, ML-KEM at the rate of its middle size. `--dry-run` quotes them; nothing depends on
/// them.
#[must_use]
pub fn estimated_seconds(spec: KeyPairSpec, rows: u64, backend: Backend, threads: usize) -> f64 {
    let (ifma, portable): (f64, f64) = match spec {
        KeyPairSpec::Rsa2048 => (280.0, 40.0),
        KeyPairSpec::Rsa3072 => (75.0, 10.0),
        KeyPairSpec::Rsa4096 => (23.0, 4.0),
        KeyPairSpec::EccNistP256 | KeyPairSpec::Sm2 => (470e3, 22e3),
        KeyPairSpec::EccNistP384 => (270e3, 9e3),
        KeyPairSpec::EccNistP521 => (180e3, 8e3),
        KeyPairSpec::EccSecgP256k1 => (630e3, 50e3),
        KeyPairSpec::EccNistEdwards25519 => (660e3, 79e3),
        KeyPairSpec::MlKem512 | KeyPairSpec::MlKem768 | KeyPairSpec::MlKem1024 => (52e3, 52e3),
    };
    let per_second = match backend {
        Backend::Ifma(_) => ifma,
        Backend::Portable => portable,
    };
    rows as f64 / per_second / threads as f64
}
