//! `ImportKeyMaterial`: gives a key the material that its owner made and wrapped.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::import_members::material_id;
use super::managed_key::managed;
use crate::crypto::drbg::Drbg;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::keystore::{ExpirationModel, ImportMaterial, ImportToken, ImportType};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::{self, Date, Shown, Text};
use crate::limits::{IMPORT_DAYS_MAX, MATERIAL_DESCRIPTION_CHARS_MAX};
use crate::secret::Secret;
use crate::spec::{KeyId, MaterialId};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    import_token: Option<Text<'a>>,
    encrypted_key_material: Option<Text<'a>>,
    valid_to: Option<Date>,
    expiration_model: Option<Text<'a>>,
    import_type: Option<Text<'a>>,
    key_material_description: Option<Text<'a>>,
    key_material_id: Option<Text<'a>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    key_id: &'a str,
    key_material_id: Shown<MaterialId>,
}

/// What is said of the material besides its bytes.
struct Terms {
    expires: Option<Timestamp>,
    kind: Option<ImportType>,
    id: Option<MaterialId>,
    description: Option<String>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let token = check.ciphertext("importToken", members.import_token.as_ref());
    let token = check.required("importToken", token);
    let wrapped = members.encrypted_key_material.as_ref();
    let wrapped = check.ciphertext("encryptedKeyMaterial", wrapped);
    let wrapped = check.required("encryptedKeyMaterial", wrapped);
    let terms = members.terms(&mut check);
    let (key_id, (token, wrapped)) = check.end(key_id.zip(token.zip(wrapped)))?;
    let terms = terms?;
    let key = managed(call, key_id, &facts(&terms))?;
    key.record().check(call.operation)?;
    let arn = key.record().arn();
    let token = call.worker.endpoint.keystore.open_import_token(arn, &token)?;
    let material = unwrap(token, wrapped).await?;
    let named = KeyId::KeyArn(arn.clone());
    let Terms { expires, kind, id, description } = terms;
    let wanted = ImportMaterial { material, expires, kind, id, description };
    let id = call.change(move |keystore| keystore.import_material(&named, wanted)).await?;
    Ok(wire::write(&Answer { key_id: key.arn(), key_material_id: Shown(id) }))
}

impl Members<'_> {
    /// Takes in the members about the material; how they go together is for after the check.
    fn terms(&self, check: &mut Check) -> Result<Terms, Error> {
        let models = ["KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"];
        let model = check.name_of("expirationModel", self.expiration_model.as_ref(), &models);
        let kinds = ["NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"];
        let kind = check.one_of("importType", self.import_type.as_ref(), &kinds);
        let is_allowed =
            |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":/_.-".contains(c);
        let description = check.pattern(
            "keyMaterialDescription",
            self.key_material_description.as_ref(),
            0..=MATERIAL_DESCRIPTION_CHARS_MAX,
            ("^[a-zA-Z0-9:/_\\s.-]+$", is_allowed),
        );
        let id = material_id(check, self.key_material_id.as_ref());
        if id.is_some() && kind == Some(ImportType::NewKeyMaterial) {
            return Err(guesses::id_of_new_material());
        }
        let expires = match (model, self.valid_to) {
            (Some("KEY_MATERIAL_DOES_NOT_EXPIRE"), None) => None,
            (Some("KEY_MATERIAL_DOES_NOT_EXPIRE"), Some(_)) => {
                return Err(guesses::valid_to_unwanted());
            }
            (_, None) => return Err(guesses::valid_to_missing()),
            (_, Some(Date(date))) => Some(check_date(date)?),
        };
        Ok(Terms { expires, kind, id, description: description.map(str::to_owned) })
    }
}

/// Refuses a date that is past, or too far away.
fn check_date(date: Timestamp) -> Result<Timestamp, Error> {
    let left = date.duration_since(Timestamp::now());
    let most = SignedDuration::from_hours(24 * IMPORT_DAYS_MAX);
    if left.is_positive() && left <= most { Ok(date) } else { Err(guesses::valid_to_range()) }
}

/// What policies may ask for.
fn facts(terms: &Terms) -> Vec<(ConditionKey, Fact<'static>)> {
    let model = ExpirationModel::of(terms.expires).name();
    let valid_to = terms.expires.map(|date| (ConditionKey::ValidTo, Fact::Time(date.as_second())));
    let model = (ConditionKey::ExpirationModel, Fact::Text(model));
    valid_to.into_iter().chain([model]).collect()
}

/// Unwraps the material beside the event loop: RSA takes its time.
async fn unwrap(token: ImportToken, wrapped: Vec<u8>) -> Result<Secret<[u8; 32]>, Error> {
    let unwrapped = tokio::task::spawn_blocking(move || {
        let mut drbg = Drbg::from_system().map_err(|_| Error::internal())?;
        let material = token.algorithm.unwrap(token.private_key.expose(), &wrapped, &mut drbg);
        material.ok_or_else(|| Error::bare("InvalidCiphertextException"))
    });
    let unwrapped = unwrapped.await.map_err(|_| Error::internal())??;
    let material = unwrapped.expose().as_slice().try_into();
    material.map(Secret::new).map_err(|_| guesses::material_length())
}
