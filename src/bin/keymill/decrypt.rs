//! `keymill decrypt`: the only command that shows a private key.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use keymill::crypto::seal::{BlobError, BlobHeader, Opened, Payload, WrappingKey, open};
use keymill::limits::CIPHERTEXT_BYTES_MAX;
use keymill::pipeline::template::ContextTemplate;
use keymill::pipeline::verify::PartContext;
use keymill::secret::Secret;
use keymill::spec::EncryptionContext;
use zeroize::Zeroize;

use crate::args::{Arguments, Decrypt, KeyFormat};
use crate::failure::{Code, Failure};
use crate::{home, parts};

pub fn run(arguments: &Arguments, wanted: &Decrypt) -> Result<(), Failure> {
    let (blob, context) = match (&wanted.path, &wanted.blob) {
        (Some(path), _) => row_of(path, wanted)?,
        (None, Some(path)) => (read_blob(path)?, given_context(wanted)?.unwrap_or_default()),
        (None, None) => return Err(Failure::new(Code::Usage, "neither a file nor --blob")),
    };
    let source = wanted.path.as_ref().or(wanted.blob.as_ref());
    let opened = open_blob(arguments, &blob, &context).map_err(|mut failure| {
        let source = source.map(|path| path.display().to_string()).unwrap_or_default();
        failure.message = format!("{source}: {}", failure.message);
        failure
    })?;
    show(wanted, &opened)
}

/// The blob of a row and its context: the given one, else the one its columns tell.
fn row_of(path: &Path, wanted: &Decrypt) -> Result<(Vec<u8>, EncryptionContext), Failure> {
    let files = parts::open(path)?;
    let (file, row) = parts::find_row(&files, wanted.row.unwrap_or_default())?;
    let row = file.row(row)?;
    let bad = |error: &dyn std::fmt::Display| {
        Failure::new(Code::BadData, format!("{}: {error}", path.display()))
    };
    let context = if let Some(context) = given_context(wanted)? {
        context
    } else {
        let context = PartContext::of(file).map_err(|error| bad(&error))?;
        context.of_row(&row).map_err(|error| bad(&error))?
    };
    Ok((row.blob.to_vec(), context))
}

/// The context on the command line; braces stand for themselves only when doubled, as everywhere.
fn given_context(wanted: &Decrypt) -> Result<Option<EncryptionContext>, Failure> {
    let Some(text) = &wanted.encryption_context else { return Ok(None) };
    if text.is_empty() {
        return Ok(Some(EncryptionContext::default()));
    }
    let usage = |error: &dyn std::fmt::Display| Failure::new(Code::Usage, error);
    let bound = ContextTemplate::parse(text)
        .and_then(|template| template.bind(&[]))
        .map_err(|error| usage(&error))?;
    if bound.is_per_row() {
        return Err(Failure::new(Code::Usage, "the encryption context of a blob has no columns"));
    }
    let rows = keymill::pipeline::manifest::Rows::numbered(0..1);
    bound.fill(&rows.row(0)).map(Some).map_err(|error| usage(&error))
}

/// Reads a blob, as it is or in base64.
fn read_blob(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = fs::read(path).map_err(|error| {
        Failure::new(Code::NoInput, format!("blob file {}: {error}", path.display()))
    })?;
    if BlobHeader::parse(&bytes) == Err(BlobError::NotABlob)
        && bytes.len() <= 2 * CIPHERTEXT_BYTES_MAX
        && let Ok(decoded) = BASE64_STANDARD.decode(bytes.trim_ascii())
    {
        return Ok(decoded);
    }
    Ok(bytes)
}

fn open_blob(
    arguments: &Arguments,
    blob: &[u8],
    context: &EncryptionContext,
) -> Result<Opened, Failure> {
    let refused = |error: BlobError| {
        let failure = match error {
            BlobError::InvalidCiphertext => {
                Failure::new(Code::BadData, format!("InvalidCiphertextException: {error}"))
                    .hint("the context must be the one it was made with, to the letter")
            }
            other => Failure::new(Code::BadData, other),
        };
        Err(failure)
    };
    let header = match BlobHeader::parse(blob) {
        Ok(header) => header,
        Err(error) => return refused(error),
    };
    let keystore = home::open(arguments)?;
    let material = keystore.wrapping_key_by_material(header.key_id(), header.material_id())?;
    let key = WrappingKey::new(material.arn, &material.material);
    open(&key, blob, context).or_else(refused)
}

fn show(wanted: &Decrypt, opened: &Opened) -> Result<(), Failure> {
    let plaintext = opened.plaintext.expose();
    let is_key = matches!(opened.payload, Payload::PrivateKey(_));
    let text = match wanted.format {
        KeyFormat::Pem if is_key => pem(plaintext),
        _ => Secret::new(plaintext.clone()),
    };
    let Some(path) = &wanted.output else {
        let mut out = std::io::stdout().lock();
        if out.is_terminal() && wanted.format == KeyFormat::Der {
            return Err(Failure::new(Code::Usage, "will not print DER on a terminal")
                .hint("--format pem, or -o FILE"));
        }
        return match out.write_all(text.expose()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::new(Code::Io, format!("standard output: {error}")))
            }
            _ => Ok(()),
        };
    };
    let create = |error: std::io::Error| {
        Failure::new(Code::CannotCreate, format!("cannot create {}: {error}", path.display()))
    };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(create)?;
    file.write_all(text.expose()).and_then(|()| file.sync_all()).map_err(create)
}

/// RFC 7468 text of a PKCS#8 key.
fn pem(der: &[u8]) -> Secret<Vec<u8>> {
    let mut base64 = BASE64_STANDARD.encode(der).into_bytes();
    let mut text = Vec::with_capacity(base64.len() * 2 + 64);
    text.extend_from_slice(b"-----BEGIN PRIVATE KEY-----\n");
    for line in base64.chunks(64) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(b"-----END PRIVATE KEY-----\n");
    base64.zeroize();
    Secret::new(text)
}
