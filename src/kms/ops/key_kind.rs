//! `KeySpec` and `KeyUsage` of a new key: whether they go together, and the key itself.

use crate::keystore::policy::{ConditionKey, Fact};
use crate::keystore::{NewKey, Origin};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::spec::{KeySpec, KeyUsage};

/// The two members.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyKind {
    spec: KeySpec,
    usage: Option<KeyUsage>,
}

impl KeyKind {
    /// Takes in the members.
    pub(super) fn of(check: &mut Check, spec: Option<&Text<'_>>, usage: Option<&Text<'_>>) -> Self {
        let usage = check.one_of("keyUsage", usage, KeyUsage::NAMES);
        let specs = KeySpec::ALL.map(KeySpec::name);
        Self { spec: check.one_of("keySpec", spec, &specs).unwrap_or_default(), usage }
    }

    /// What policies may ask for.
    pub(super) fn facts<'f>(self) -> impl Iterator<Item = (ConditionKey, Fact<'f>)> {
        let usage = self.usage().ok();
        let usage = usage.map(|usage| (ConditionKey::KeyUsage, Fact::Text(usage.name())));
        usage.into_iter().chain([(ConditionKey::KeySpec, Fact::Text(self.spec.name()))])
    }

    /// The usage, if it goes together with the spec. Only that of symmetric keys goes without saying.
    pub(super) fn usage(self) -> Result<KeyUsage, Error> {
        let Self { spec, usage } = self;
        let usage = match usage {
            None if spec == KeySpec::SymmetricDefault => KeyUsage::EncryptDecrypt,
            None => {
                return Err(Error::validation(
                    "You must specify a KeyUsage value for all KMS keys except for symmetric \
                     encryption keys.",
                ));
            }
            Some(usage) => usage,
        };
        if spec.usages().contains(&usage) {
            return Ok(usage);
        }
        let message = format!("KeyUsage {usage} is not compatible with KeySpec {spec}");
        Err(Error::validation(message))
    }

    /// What the key is made of. Pairs come from the pools, as data key pairs do, so that nobody
    /// waits for an RSA key on the thread that answers.
    pub(super) async fn new_key(self, call: &Call<'_>, origin: Origin) -> Result<NewKey, Error> {
        let spec = self.spec;
        if !spec.offered_in(call.caller.scope.partition) {
            return Err(guesses::spec_not_offered("KeySpec", spec.name()));
        }
        if origin == Origin::External && spec != KeySpec::SymmetricDefault {
            return Err(guesses::import_not_built(spec));
        }
        Ok(match spec {
            KeySpec::SymmetricDefault => NewKey::Symmetric,
            KeySpec::Hmac(algorithm) => NewKey::Hmac(algorithm),
            KeySpec::MlDsa(spec) => NewKey::MlDsa(spec),
            KeySpec::Pair(spec) => NewKey::Pair(call.take(spec).await?),
        })
    }
}
