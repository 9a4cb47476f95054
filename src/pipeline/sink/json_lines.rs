//! One JSON object a line, shaped as the answer of the AWS command line; for small jobs and pipes.

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use crate::crypto::seal::WrappedBatch;
use crate::pipeline::authorize::Permit;
use crate::pipeline::manifest::Rows;

/// Appends the lines of a batch to `out`.
///
/// The members are those of the KMS answer, then `Index`, then the manifest's columns.
pub fn write_batch(
    permit: &Permit,
    columns: &[String],
    rows: &Rows,
    wrapped: &WrappedBatch,
    out: &mut impl Write,
) -> io::Result<()> {
    let key_arn = permit.key().arn().to_string();
    let material_id = permit.key().material_id().to_string();
    for row in 0..wrapped.len() {
        let mut line = Map::new();
        let blob = BASE64_STANDARD.encode(wrapped.blob(row));
        let public = BASE64_STANDARD.encode(wrapped.public_key(row));
        line.insert("PrivateKeyCiphertextBlob".to_owned(), blob.into());
        line.insert("PublicKey".to_owned(), public.into());
        line.insert("KeyId".to_owned(), key_arn.clone().into());
        line.insert("KeyPairSpec".to_owned(), wrapped.spec().name().into());
        line.insert("KeyMaterialId".to_owned(), material_id.clone().into());
        line.insert("Index".to_owned(), rows.row(row).index().into());
        for (name, text) in columns.iter().zip(rows.row(row).texts()) {
            line.insert(name.clone(), text.into());
        }
        serde_json::to_writer(&mut *out, &Value::Object(line))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
