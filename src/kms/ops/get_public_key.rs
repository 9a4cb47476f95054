//! `GetPublicKey`: the public half of an asymmetric key, and what it is for.

use serde::{Deserialize, Serialize};

use super::key_members::KeyMembers;
use crate::keystore::AlgorithmNames;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Blob, Shown, Text};
use crate::spec::{KeySpec, KeyUsage};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    grant_tokens: Option<Vec<Text<'a>>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    key_id: &'a str,
    public_key: Blob<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_master_key_spec: Option<Shown<KeySpec>>,
    key_spec: Shown<KeySpec>,
    key_usage: Shown<KeyUsage>,
    #[serde(flatten)]
    algorithms: AlgorithmNames,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let (key_id, tokens) = (members.key_id.as_ref(), members.grant_tokens.as_deref());
    let key = KeyMembers::of(&mut check, key_id, tokens, None);
    check.end(Some(()))?;
    let wanted = key.key_use(call, None, &[]);
    let access = call.access(&wanted)?;
    let secret = access.secret()?;
    let record = access.key().record();
    Ok(wire::write(&Answer {
        key_id: access.key().arn(),
        public_key: Blob(secret.pair().ok_or_else(Error::internal)?.public_key()),
        customer_master_key_spec: record.spec().in_older_enum().map(Shown),
        key_spec: Shown(record.spec()),
        key_usage: Shown(record.usage()),
        algorithms: record.algorithms().into(),
    }))
}
