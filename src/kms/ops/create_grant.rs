//! `CreateGrant`: lets a principal use a key, from now on with the token, soon without.

use serde::{Deserialize, Serialize};

use super::grant_members::{Constraints, principal, service_principal};
use super::managed_key::managed_access;
use crate::keystore::{
    GRANT_OPERATIONS, GrantConstraints, GrantId, GrantTerms, grant_operation, new_grant_token,
};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::{self, Shown, Text};
use crate::limits::GRANT_NAME_CHARS_MAX;
use crate::pipeline::authorize::KeyUse;
use crate::spec::{Action, KeyId};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    grantee_principal: Option<Text<'a>>,
    retiring_principal: Option<Text<'a>>,
    grantee_service_principal: Option<Text<'a>>,
    retiring_service_principal: Option<Text<'a>>,
    operations: Option<Vec<Text<'a>>>,
    constraints: Option<Constraints<'a>>,
    grant_tokens: Option<Vec<Text<'a>>>,
    name: Option<Text<'a>>,
    dry_run: Option<bool>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    grant_token: String,
    grant_id: Shown<GrantId>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    mut members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let constraints = members.constraints.take().unwrap_or_default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let is_service = members.names_service(&mut check) || constraints.names_source();
    let terms = members.terms(&mut check, is_service);
    let grant_tokens = check.grant_tokens(members.grant_tokens.as_deref());
    let (key_id, mut terms) = check.end(key_id.zip(terms))?;
    if is_service {
        return Err(guesses::service_principal());
    }
    terms.constraints = constraints.into_kept();
    let wanted = KeyUse { grant_tokens: &grant_tokens, makes: Some(&terms), ..call.use_of(key_id) };
    let access = managed_access(call, &wanted)?;
    access.key().record().check_grant(&terms)?;
    if members.dry_run == Some(true) {
        return Err(Error::dry_run());
    }
    let arn = access.key().record().arn().clone();
    let made = call.change(move |keystore| {
        let id = keystore.create_grant(&KeyId::KeyArn(arn.clone()), terms)?;
        Ok((id, new_grant_token(&arn, id)?))
    });
    let (id, grant_token) = made.await?;
    Ok(wire::write(&Answer { grant_token, grant_id: Shown(id) }))
}

impl Members<'_> {
    fn names_service(&self, check: &mut Check) -> bool {
        let grantee = self.grantee_service_principal.as_ref();
        let retiring = self.retiring_service_principal.as_ref();
        let grantee = service_principal(check, "granteeServicePrincipal", grantee);
        service_principal(check, "retiringServicePrincipal", retiring) || grantee
    }

    /// The terms, without constraints; a grantee need not be there if a service is.
    fn terms(&self, check: &mut Check, is_service: bool) -> Option<GrantTerms> {
        let grantee = principal(check, "granteePrincipal", self.grantee_principal.as_ref());
        if !is_service {
            check.required("granteePrincipal", grantee);
        }
        let retiring = principal(check, "retiringPrincipal", self.retiring_principal.as_ref());
        let names = GRANT_OPERATIONS.map(Action::name);
        let operations = self.operations.as_deref().map(|operations| {
            let operations = operations.iter().enumerate().filter_map(|(at, name)| {
                let member = format!("operations.{}.member", at + 1);
                grant_operation(check.name_of(&member, Some(name), &names)?)
            });
            operations.collect()
        });
        let operations = check.required("operations", operations);
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ":/_-".contains(c);
        let pattern = ("^[a-zA-Z0-9:/_-]+$", is_allowed as fn(char) -> bool);
        let name = check.pattern("name", self.name.as_ref(), 1..=GRANT_NAME_CHARS_MAX, pattern);
        Some(GrantTerms {
            name: name.map(str::to_owned),
            grantee: grantee.unwrap_or_default().to_owned(),
            retiring: retiring.map(str::to_owned),
            operations: operations?,
            constraints: GrantConstraints::default(),
        })
    }
}
