//! Whether a grant allows a use that policies are silent of.

use std::sync::Arc;

use super::{AuthorizeError, KeyUse};
use crate::keystore::policy::{Reach, Verdict};
use crate::keystore::{Grant, GrantToken, ServedKey, Snapshot};

/// The tokens of a request, each of which must name a grant.
pub(super) fn read_tokens(
    snapshot: &Snapshot,
    wanted: &KeyUse<'_>,
) -> Result<Vec<GrantToken>, AuthorizeError> {
    let read = |text: &&str| find_granted(snapshot, wanted, text).map(|(token, ..)| token);
    wanted.grant_tokens.iter().map(read).collect()
}

/// The key and the grant that a token names.
pub fn find_granted<'a>(
    snapshot: &'a Snapshot,
    wanted: &KeyUse<'_>,
    token: &str,
) -> Result<(GrantToken, &'a Arc<ServedKey>, &'a Arc<Grant>), AuthorizeError> {
    let find = || {
        let token = GrantToken::parse(token)?;
        let key = snapshot.key_of_blob(&wanted.caller.scope, token.key)?;
        Some((token, key, key.latest_grants().by_id(token.grant)?))
    };
    find().ok_or(AuthorizeError::GrantToken)
}

/// Whether one of the key's grants allows it: one that is known everywhere, or is shown by a token.
///
/// A grant to an account leaves it to the policies of its users, as key policies do.
pub(super) fn is_granted(
    key: &ServedKey,
    wanted: &KeyUse<'_>,
    tokens: &[GrantToken],
    to_principal: Verdict,
) -> bool {
    let who = wanted.caller.who();
    let gives = |(reach, grant): (Reach, &Arc<Grant>)| {
        (reach == Reach::Named || to_principal == Verdict::Allowed)
            && grant.allows(wanted.action, wanted.context)
            && wanted.makes.is_none_or(|terms| grant.covers(terms))
    };
    let is_shown = |grant: &Arc<Grant>| tokens.iter().any(|token| token.grant == grant.id());
    key.grants().of(&who).any(gives)
        || key.latest_grants().of(&who).any(|found| is_shown(found.1) && gives(found))
}
