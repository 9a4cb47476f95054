//! The umbrella: one variant a stage.

use core::fmt;
use std::io;

use crate::pipeline::authorize::AuthorizeError;
use crate::pipeline::manifest::ManifestError;
use crate::pipeline::request::RequestError;
use crate::pipeline::reserve::ReserveError;
use crate::pipeline::sink::arrow;
use crate::pipeline::take::TakeError;

/// Why a job did not come to its end.
#[derive(Debug)]
pub enum Error {
    /// The request makes no sense.
    Request(RequestError),
    /// The key may not be used.
    Authorize(AuthorizeError),
    /// No key pair could be made.
    Take(TakeError),
    /// No key pair could be drawn from a sealed pool.
    Reserve(ReserveError),
    /// The output file.
    Arrow(arrow::Error),
    /// The files would break a bound of the format.
    Layout(arrow::LayoutError),
    /// A slot did not take its rows.
    Push(arrow::PushError),
    /// Standard output.
    Output(io::Error),
    /// A worker thread could not be started.
    Threads(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => error.fmt(f),
            Self::Authorize(error) => error.fmt(f),
            Self::Take(error) => error.fmt(f),
            Self::Reserve(error) => error.fmt(f),
            Self::Arrow(error) => error.fmt(f),
            Self::Layout(error) => error.fmt(f),
            Self::Push(error) => error.fmt(f),
            Self::Output(error) => write!(f, "standard output: {error}"),
            Self::Threads(error) => write!(f, "cannot start the workers: {error}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::Request(error.into())
    }
}

impl From<AuthorizeError> for Error {
    fn from(error: AuthorizeError) -> Self {
        Self::Authorize(error)
    }
}

impl From<TakeError> for Error {
    fn from(error: TakeError) -> Self {
        Self::Take(error)
    }
}

impl From<ReserveError> for Error {
    fn from(error: ReserveError) -> Self {
        Self::Reserve(error)
    }
}

impl From<arrow::Error> for Error {
    fn from(error: arrow::Error) -> Self {
        Self::Arrow(error)
    }
}

impl From<arrow::LayoutError> for Error {
    fn from(error: arrow::LayoutError) -> Self {
        Self::Layout(error)
    }
}

impl From<arrow::PushError> for Error {
    fn from(error: arrow::PushError) -> Self {
        Self::Push(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
