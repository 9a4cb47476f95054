//! `GetParametersForImport`: a public key to wrap material under, and a token that brings its private
//! half back.

use serde::{Deserialize, Serialize};

use super::managed_key::managed;
use crate::crypto::key_transport::WrappingAlgorithm;
use crate::keystore::ImportToken;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::{self, Blob, Date, Text};
use crate::secret::Secret;
use crate::spec::KeyPairSpec;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    wrapping_algorithm: Option<Text<'a>>,
    wrapping_key_spec: Option<Text<'a>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    key_id: &'a str,
    import_token: Blob<'a>,
    public_key: Blob<'a>,
    parameters_valid_to: Date,
}

/// `AlgorithmSpec` of the service model.
const ALGORITHMS: [&str; 6] = [
    "RSAES_PKCS1_V1_5",
    "RSAES_OAEP_SHA_1",
    "RSAES_OAEP_SHA_256",
    "RSA_AES_KEY_WRAP_SHA_1",
    "RSA_AES_KEY_WRAP_SHA_256",
    "SM2PKE",
];

/// `WrappingKeySpec` of the service model.
const SPECS: [&str; 4] = ["RSA_2048", "RSA_3072", "RSA_4096", "SM2"];

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let algorithm = members.wrapping_algorithm.as_ref();
    let algorithm = check.required("wrappingAlgorithm", algorithm);
    let algorithm = check.name_of("wrappingAlgorithm", algorithm, &ALGORITHMS);
    let spec = check.required("wrappingKeySpec", members.wrapping_key_spec.as_ref());
    let spec = check.name_of("wrappingKeySpec", spec, &SPECS);
    let (key_id, (algorithm, spec)) = check.end(key_id.zip(algorithm.zip(spec)))?;
    let facts = [
        (ConditionKey::WrappingAlgorithm, Fact::Text(algorithm)),
        (ConditionKey::WrappingKeySpec, Fact::Text(spec)),
    ];
    let key = managed(call, key_id, &facts)?;
    key.record().check(call.operation)?;
    let (algorithm, spec) = find(algorithm, spec)?;
    let pair = call.take(spec).await?;
    let private_key = Secret::new(pair.private_key(0).to_vec());
    let token = ImportToken { algorithm, private_key };
    let keystore = &call.worker.endpoint.keystore;
    let (token, valid_to) = keystore.seal_import_token(key.record().arn(), &token)?;
    Ok(wire::write(&Answer {
        key_id: key.arn(),
        import_token: Blob(&token),
        public_key: Blob(pair.public_key(0)),
        parameters_valid_to: Date(valid_to),
    }))
}

/// The algorithm and the spec of these names, if both are built.
fn find(algorithm: &str, spec: &str) -> Result<(WrappingAlgorithm, KeyPairSpec), Error> {
    let built = WrappingAlgorithm::ALL.into_iter().find(|built| built.name() == algorithm);
    let built = built.ok_or_else(|| guesses::wrapping_not_built("WrappingAlgorithm", algorithm))?;
    let rsa = [KeyPairSpec::Rsa2048, KeyPairSpec::Rsa3072, KeyPairSpec::Rsa4096];
    let rsa = rsa.into_iter().find(|rsa| rsa.name() == spec);
    Ok((built, rsa.ok_or_else(|| guesses::wrapping_not_built("WrappingKeySpec", spec))?))
}
