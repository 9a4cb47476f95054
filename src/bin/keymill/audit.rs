//! `keymill audit`: is a log what was written?

use std::path::Path;

use indicatif::ProgressBar;
use keymill::kms::{AuditError, AuditReport, AuditVerification, verify_audit};

use crate::args::{Arguments, Audit, AuditVerify};
use crate::failure::{Code, Failure};
use crate::output::{grouped, report};
use crate::progress::progress_bar;

pub fn run(arguments: &Arguments, audit: &Audit) -> Result<(), Failure> {
    match audit {
        Audit::Verify(wanted) => verify(arguments, wanted),
    }
}

fn verify(arguments: &Arguments, wanted: &AuditVerify) -> Result<(), Failure> {
    let bar = progress_bar(bytes_in(&wanted.folder), "bytes");
    let found = verify_audit(&wanted.folder, |bytes| ProgressBar::inc(&bar, bytes));
    bar.finish_and_clear();
    let found = match found? {
        AuditVerification::Whole(found) => found,
        AuditVerification::Broken(fault) => {
            return Err(Failure::new(Code::BadData, fault)
                .hint("what stands before this line is as it was written"));
        }
    };
    if found.files == 0 {
        let message = format!("{}: there is no audit log", wanted.folder.display());
        return Err(Failure::new(Code::NoInput, message));
    }
    if let Some(head) = wanted.head.as_ref().filter(|head| **head != found.head) {
        let message = format!("the log ends with {}, not with {head}", found.head);
        return Err(Failure::new(Code::BadData, message)
            .hint("lines are missing at its end, or all of it was written anew"));
    }
    report(arguments.json, &found, human)
}

fn human(found: &AuditReport) -> String {
    let mut text = format!(
        "{} calls in {} files, every line as it was written\nends with {}\n",
        grouped(found.calls),
        found.files,
        found.head
    );
    if found.first_file > 1 {
        text += &format!("files before {} are not there\n", found.first_file);
    }
    if found.unclean_ends > 0 {
        text += &format!("{} files were ended by a crash\n", found.unclean_ends);
    }
    if !found.is_ended {
        text += "the last file is not ended: it is being written, or was when a crash came\n";
    }
    text
}

/// For the progress bar only.
fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        use std::io::ErrorKind;
        let code = match &error {
            AuditError::Busy(_) => Code::TryAgain,
            AuditError::NotALog(_) => Code::BadData,
            AuditError::Panicked => Code::Internal,
            AuditError::Io(_, error) => match error.kind() {
                ErrorKind::NotFound => Code::NoInput,
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Code::NoPermission,
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Code::TryAgain,
                _ => Code::Io,
            },
        };
        Self::new(code, error)
    }
}
