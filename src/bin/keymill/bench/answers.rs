//! What became of each request, one line of JSON each.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::link::{End, Pair};
use crate::failure::{Code, Failure};

/// A file in the making; it has its name when it is whole.
#[derive(Debug)]
pub struct Answers {
    path: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Line<'a> {
    number: u64,
    key_pair_spec: &'static str,
    /// After the start, in seconds.
    due: f64,
    latency_ms: f64,
    /// OK, an exception, or why there is no answer.
    end: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key_ciphertext_blob: Option<&'a str>,
}

impl Answers {
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".tmp");
        let unfinished = PathBuf::from(unfinished);
        let file = File::create(&unfinished).map_err(|error| fault(path, &error))?;
        Ok(Self { path: path.to_owned(), unfinished, file: BufWriter::new(file) })
    }

    /// Adds a line.
    pub fn write(
        &mut self,
        number: u64,
        spec: &'static str,
        due: Duration,
        latency: Duration,
        end: &End,
    ) -> Result<(), Failure> {
        let pair = match end {
            End::Pair(body) => serde_json::from_slice::<Pair<'_>>(body).ok(),
            _ => None,
        };
        let line = Line {
            number,
            key_pair_spec: spec,
            due: due.as_secs_f64(),
            latency_ms: latency.as_secs_f64() * 1e3,
            end: match end {
                End::Pair(_) => "OK",
                End::Exception(name) => name,
                End::Lost(loss) => loss.name(),
            },
            public_key: pair.as_ref().map(|pair| pair.public_key),
            private_key_ciphertext_blob: pair.as_ref().map(|it| it.private_key_ciphertext_blob),
        };
        let written = serde_json::to_writer(&mut self.file, &line).map_err(Into::into);
        let written = written.and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|error| fault(&self.path, &error))
    }

    /// Gives the file its name.
    pub fn publish(mut self) -> Result<(), Failure> {
        let written = self.file.flush().and_then(|()| fs::rename(&self.unfinished, &self.path));
        written.map_err(|error| fault(&self.path, &error))
    }
}

fn fault(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Io, format!("{}: {error}", path.display()))
}
