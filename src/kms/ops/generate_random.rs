//! `GenerateRandom`: random bytes, under no key.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::{self, Blob, Text};
use crate::limits::RANDOM_BYTES_MAX;
use crate::secret::Secret;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    number_of_bytes: Option<i64>,
    #[serde(borrow)]
    custom_key_store_id: Option<Text<'a>>,
    recipient: Option<&'a RawValue>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    plaintext: Blob<'a>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let bytes = check.bytes("numberOfBytes", members.number_of_bytes, 1..=RANDOM_BYTES_MAX);
    let store = check.text("customKeyStoreId", members.custom_key_store_id.as_ref(), 1..=64);
    check.end(Some(()))?;
    call.check_permission()?;
    let bytes = bytes.ok_or_else(|| Error::validation("NumberOfBytes is required."))?;
    if let Some(store) = store {
        return Err(guesses::no_custom_key_store(store));
    }
    if members.recipient.is_some() {
        return Err(guesses::recipient());
    }
    let mut random = Secret::new(vec![0; bytes]);
    call.worker.with_drbg(|drbg| drbg.fill(random.expose_mut()))?;
    Ok(wire::write(&Answer { plaintext: Blob(random.expose()) }))
}
