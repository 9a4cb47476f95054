//! Imported material: its owner gives it to a key, and takes it away again.
//!
//! Material that was once imported belongs to the key for good: when it is deleted or expires, its id
//! stays, and the key is of no use until the very same material has been imported again. Other
//! material is put beside it, and seals from the next rotation on.

use core::fmt;
use core::str::FromStr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::Keystore;
use super::error::Error;
use super::key::{KeyState, KmsKey, Origin, SealedMaterial};
use super::state::{Change, State};
use crate::crypto::seal::material_id;
use crate::secret::Secret;
use crate::spec::{KeyArn, KeyId, KeySpec, MaterialId, Operation, UnknownName};

/// Whether imported material expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpirationModel {
    /// At a date.
    Expires,
    /// Never.
    DoesNotExpire,
}

impl Serialize for ExpirationModel {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.name())
    }
}

impl ExpirationModel {
    /// The model of material that expires then.
    #[must_use]
    pub const fn of(expires: Option<Timestamp>) -> Self {
        if expires.is_some() { Self::Expires } else { Self::DoesNotExpire }
    }

    /// The name in the KMS service model.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expires => "KEY_MATERIAL_EXPIRES",
            Self::DoesNotExpire => "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }
    }
}

/// Whether the key has had the material before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportType {
    /// It has not.
    NewKeyMaterial,
    /// It has.
    ExistingKeyMaterial,
}

impl FromStr for ImportType {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "NEW_KEY_MATERIAL" => Ok(Self::NewKeyMaterial),
            "EXISTING_KEY_MATERIAL" => Ok(Self::ExistingKeyMaterial),
            _ => Err(UnknownName),
        }
    }
}

/// What `ImportKeyMaterial` may be told.
#[derive(Debug)]
pub struct ImportMaterial {
    /// The material.
    pub material: Secret<[u8; 32]>,
    /// When it goes by itself, if it does.
    pub expires: Option<Timestamp>,
    /// Whether the key has had it before; if not said, the first import is new.
    pub kind: Option<ImportType>,
    /// The id it must turn out to have.
    pub id: Option<MaterialId>,
    /// What its owner says of it; what was said before, if nothing.
    pub description: Option<String>,
}

impl ImportMaterial {
    /// Imports `material` for good.
    #[must_use]
    pub const fn new(material: Secret<[u8; 32]>) -> Self {
        Self { material, expires: None, kind: None, id: None, description: None }
    }
}

/// Why material cannot be imported, or be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportFault {
    /// The token does not open, or is another key's.
    Token,
    /// The token is too old.
    TokenExpired,
    /// It is not the material that the key waits for or may be given.
    IncorrectMaterial(KeyArn),
    /// The key has never had material of this id.
    MaterialUnknown(KeyArn, MaterialId),
}

impl ImportFault {
    /// The name of the AWS exception.
    #[must_use]
    pub const fn aws_name(&self) -> &'static str {
        match self {
            Self::Token => "InvalidImportTokenException",
            Self::TokenExpired => "ExpiredImportTokenException",
            Self::IncorrectMaterial(_) => "IncorrectKeyMaterialException",
            Self::MaterialUnknown(..) => "NotFoundException",
        }
    }
}

impl fmt::Display for ImportFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The service's texts are not known: see `kms::guesses`.
            Self::Token | Self::TokenExpired => Ok(()),
            Self::IncorrectMaterial(arn) => {
                write!(f, "The key material is not the one previously imported into {arn}.")
            }
            Self::MaterialUnknown(arn, id) => write!(f, "{arn} has no key material {id}."),
        }
    }
}

impl KmsKey {
    /// Whether everything is there that was ever sealed under the key; only symmetric keys have
    /// materials.
    pub(super) fn has_all_materials(&self) -> bool {
        self.spec != KeySpec::SymmetricDefault
            || !self.materials.is_empty() && self.materials.iter().all(|one| one.sealed.is_some())
    }

    /// When the first of its imported materials expires.
    #[must_use]
    pub fn valid_to(&self) -> Option<Timestamp> {
        self.materials.iter().filter_map(|material| material.expires).min()
    }

    /// Whether its imported material expires; none if that is not there, or not imported.
    #[must_use]
    pub fn expiration_model(&self) -> Option<ExpirationModel> {
        let is_there = self.origin == Origin::External && self.has_all_materials();
        is_there.then(|| ExpirationModel::of(self.valid_to()))
    }

    /// When it loses material next.
    pub(super) fn expires_next(&self) -> Option<Timestamp> {
        let all = self.materials.iter().chain(&self.awaiting);
        all.filter_map(|material| material.expires).min()
    }

    fn material_mut(&mut self, id: MaterialId) -> Option<&mut SealedMaterial> {
        self.materials.iter_mut().chain(&mut self.awaiting).find(|material| material.id == id)
    }

    /// Puts the material of `sealed` in its place.
    fn restore(&mut self, sealed: SealedMaterial) {
        if let Some(place) = self.material_mut(sealed.id) {
            let description = sealed.description.or_else(|| place.description.take());
            let SealedMaterial { id, created, rotation, .. } = *place;
            *place = SealedMaterial { id, created, rotation, description, ..sealed };
        } else if self.materials.is_empty() {
            self.materials.push(sealed);
        } else {
            self.awaiting = Some(sealed);
        }
        if self.state == KeyState::PendingImport && self.has_all_materials() {
            self.state = KeyState::Enabled;
        }
    }

    /// Lets go of material, but for its id.
    fn lose(&mut self, id: MaterialId) {
        self.material_mut(id).into_iter().for_each(SealedMaterial::forget);
        let was_usable = matches!(self.state, KeyState::Enabled | KeyState::Disabled);
        if was_usable && !self.has_all_materials() {
            self.state = KeyState::PendingImport;
        }
    }
}

impl Keystore {
    /// `ImportKeyMaterial`: gives a key of origin `EXTERNAL` its material, gives it back what it
    /// had, or puts new material by for the next rotation. Importing again what is there is no
    /// error: it may expire at another date then. Returns the material's id.
    pub fn import_material(
        &mut self,
        id: &KeyId,
        wanted: ImportMaterial,
    ) -> Result<MaterialId, Error> {
        let mut key = self.resolve(id)?.clone();
        key.check(Operation::ImportKeyMaterial)?;
        let id = material_id(&wanted.material, key.arn.id);
        let is_known = key.material_mut(id).is_some();
        let is_said_to_be_known = match wanted.kind {
            Some(kind) => kind == ImportType::ExistingKeyMaterial,
            None => !key.materials.is_empty(),
        };
        // New material comes in by the primary.
        let is_one_too_many = !is_known && (key.awaiting.is_some() || key.is_replica());
        let is_named_so = wanted.id.is_none_or(|named| named == id);
        if is_known != is_said_to_be_known || is_one_too_many || !is_named_so {
            return Err(ImportFault::IncorrectMaterial(key.arn).into());
        }
        let ImportMaterial { material, expires, description, .. } = wanted;
        let sealed = self.new_material(&key.arn, material)?;
        let sealed = SealedMaterial { expires, description, ..sealed };
        let mut changes = Vec::new();
        if !is_known && !key.materials.is_empty() {
            let mut wanted = sealed.clone();
            wanted.forget();
            // The replicas wait for the same; the key itself is written last, with the material.
            changes = self.state.change_related(&key.arn, |key| {
                key.awaiting = Some(wanted.clone());
            });
        }
        key.restore(sealed);
        changes.push(Change::PutKey(key));
        self.commit(changes)?;
        Ok(id)
    }

    /// `DeleteImportedKeyMaterial`: takes one of its materials from a key, the current one if none
    /// is named, so that the key waits for it. Returns its id; none if nothing was ever imported.
    pub fn delete_imported_material(
        &mut self,
        id: &KeyId,
        which: Option<MaterialId>,
    ) -> Result<Option<MaterialId>, Error> {
        let mut key = self.resolve(id)?.clone();
        key.check(Operation::DeleteImportedKeyMaterial)?;
        let Some(id) = which.or_else(|| key.current_material()) else { return Ok(None) };
        if key.material_mut(id).is_none() {
            return Err(ImportFault::MaterialUnknown(key.arn, id).into());
        }
        let changes = self.state.lose(&key.arn, id);
        self.commit(changes)?;
        Ok(Some(id))
    }

    /// Takes the material from every key where it has expired.
    pub(super) fn expire_due(&mut self) -> Result<(), Error> {
        let now = self.now();
        while let Some((arn, id)) = self.state.expired(now) {
            let changes = self.state.lose(&arn, id);
            self.commit(changes)?;
        }
        Ok(())
    }
}

impl State {
    /// What takes one of its materials from a key. What waits for the rotation of a primary goes from
    /// its replicas too.
    fn lose(&self, arn: &KeyArn, id: MaterialId) -> Vec<Change> {
        let Some(key) = self.key(arn) else { return Vec::new() };
        let is_awaiting = key.awaiting.as_ref().is_some_and(|material| material.id == id);
        if is_awaiting && !key.is_replica() {
            return self.change_related(arn, |key| key.awaiting = None);
        }
        let mut key = key.clone();
        key.lose(id);
        vec![Change::PutKey(key)]
    }

    /// A key and one of its materials that has expired.
    fn expired(&self, now: Timestamp) -> Option<(KeyArn, MaterialId)> {
        let is_over = |material: &&SealedMaterial| material.expires.is_some_and(|end| end <= now);
        self.keys().find_map(|key| {
            let gone = key.materials.iter().chain(&key.awaiting).find(is_over)?;
            Some((key.arn.clone(), gone.id))
        })
    }
}

impl SealedMaterial {
    /// Keeps of imported material no more than its name.
    pub(super) fn forget(&mut self) {
        (self.sealed, self.expires) = (None, None);
    }
}

impl From<ImportFault> for Error {
    fn from(fault: ImportFault) -> Self {
        Self::Import(fault)
    }
}
