//! What the policy of a key and the policy of a caller say together (KMS developer guide,
//! "Troubleshooting key access"; IAM user guide, "Policy evaluation logic").
//!
//! | key policy says | and the caller's policy | same account | another account |
//! |---|---|---|---|
//! | denied | anything | no | no |
//! | anything | denied | no | no |
//! | allowed, by name | allowed | yes | yes |
//! | allowed, by name | silent | yes | no |
//! | left to the caller's account | allowed | yes | yes |
//! | left to the caller's account | silent | no | no |
//! | silent | allowed or silent | no | no |
//!
//! A grant can stand in where both are silent, never where one denies.

use core::fmt;

use super::Verdict;

/// Why a call is not allowed, in the words of the service's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The caller's own policy forbids it.
    DeniedToPrincipal,
    /// The policy of the key forbids it.
    DeniedByKey,
    /// The caller's own policy does not allow it, though it is asked.
    NotAllowedToPrincipal,
    /// The policy of the key does not allow it.
    NotAllowedByKey,
}

impl Refusal {
    /// Whether a policy forbids it, so that nothing else can allow it.
    #[must_use]
    pub const fn is_deny(self) -> bool {
        matches!(self, Self::DeniedToPrincipal | Self::DeniedByKey)
    }

    /// What stands in the answer behind the resource, for `action` (`kms:Decrypt`).
    #[must_use]
    pub fn reason(self, action: impl fmt::Display) -> String {
        let kind = match self {
            Self::DeniedToPrincipal | Self::NotAllowedToPrincipal => "identity-based",
            Self::DeniedByKey | Self::NotAllowedByKey => "resource-based",
        };
        if self.is_deny() {
            let article = if kind.starts_with('i') { "an" } else { "a" };
            format!("with an explicit deny in {article} {kind} policy")
        } else {
            format!("because no {kind} policy allows the {action} action")
        }
    }
}

/// Whether a call is allowed, after what both policies say of it.
pub fn decide_together(
    by_key: Verdict,
    to_principal: Verdict,
    is_same_account: bool,
) -> Result<(), Refusal> {
    match (by_key, to_principal) {
        (_, Verdict::Denied) => Err(Refusal::DeniedToPrincipal),
        (Verdict::Denied, _) => Err(Refusal::DeniedByKey),
        (Verdict::Silent, _) => Err(Refusal::NotAllowedByKey),
        (Verdict::Allowed | Verdict::LeftToAccount, Verdict::Allowed) => Ok(()),
        (Verdict::Allowed, _) if is_same_account => Ok(()),
        (Verdict::Allowed | Verdict::LeftToAccount, _) => Err(Refusal::NotAllowedToPrincipal),
    }
}
