//! Manifests that cannot be read twice in place: standard input, and files of other formats.
//!
//! They are copied, as CSV where they are not text, into an anonymous file that vanishes with
//! the process.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::FileReader;
use arrow_schema::DataType;
use sha2::{Digest, Sha256};

use super::ManifestError;

/// Copies standard input.
pub(super) fn standard_input() -> io::Result<File> {
    let mut copy = anonymous_file()?;
    io::copy(&mut io::stdin().lock(), &mut copy)?;
    Ok(copy)
}

fn anonymous_file() -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    Ok(File::from(rustix::fs::memfd_create("keymill-manifest", flags)?))
}

/// Turns an Arrow IPC file into CSV.
///
/// Returns it with the SHA-256 of the file it was made from.
pub(super) fn arrow_as_csv(file: &File, path: &Path) -> Result<(File, [u8; 32]), ManifestError> {
    let io = |error| ManifestError::Io { path: path.to_owned(), error };
    let refused = |error: &dyn core::fmt::Display| ManifestError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let mut bytes = Vec::new();
    (&*file).rewind().map_err(io)?;
    (&*file).read_to_end(&mut bytes).map_err(io)?;
    let sha256 = Sha256::digest(&bytes).into();
    let reader = FileReader::try_new(io::Cursor::new(bytes), None).map_err(|e| refused(&e))?;
    let schema = reader.schema();
    let mut out = csv::Writer::from_writer(BufWriter::new(anonymous_file().map_err(io)?));
    let names = schema.fields().iter().map(|field| field.name().as_bytes());
    out.write_record(names).map_err(|e| refused(&e))?;
    for batch in reader {
        let batch = batch.map_err(|e| refused(&e))?;
        let columns = texts(&batch, path)?;
        for row in 0..batch.num_rows() {
            out.write_record(columns.iter().map(|column| column(row))).map_err(|e| refused(&e))?;
        }
    }
    let buffer = out.into_inner().map_err(|e| refused(&e))?;
    let mut copy = buffer.into_inner().map_err(|e| refused(&e))?;
    copy.flush().map_err(io)?;
    Ok((copy, sha256))
}

/// The text of a column's value in a row.
type Text<'b> = Box<dyn Fn(usize) -> String + 'b>;

fn texts<'b>(batch: &'b RecordBatch, path: &Path) -> Result<Vec<Text<'b>>, ManifestError> {
    let schema = batch.schema();
    let of = |(place, column): (usize, &'b arrow_array::ArrayRef)| {
        let unsuitable = |kind: String| ManifestError::ColumnType {
            path: path.to_owned(),
            name: schema.field(place).name().clone(),
            kind,
        };
        if column.null_count() > 0 {
            return Err(unsuitable(format!("{} with nulls", column.data_type())));
        }
        text_of(column).ok_or_else(|| unsuitable(column.data_type().to_string()))
    };
    batch.columns().iter().enumerate().map(of).collect()
}

fn text_of(column: &dyn Array) -> Option<Text<'_>> {
    macro_rules! integers {
        ($kind:ty) => {{
            let values = column.as_primitive::<$kind>();
            Box::new(move |row| values.value(row).to_string())
        }};
    }
    Some(match column.data_type() {
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            Box::new(move |row| values.value(row).to_owned())
        }
        DataType::LargeUtf8 => {
            let values = column.as_string::<i64>();
            Box::new(move |row| values.value(row).to_owned())
        }
        DataType::Utf8View => {
            let values = column.as_string_view();
            Box::new(move |row| values.value(row).to_owned())
        }
        DataType::Boolean => {
            let values = column.as_boolean();
            Box::new(move |row| values.value(row).to_string())
        }
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        _ => return None,
    })
}
