//! Whom a statement speaks of.

/// The caller, as policies see it.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// ARN of the root user, user, role or session that calls.
    pub arn: &'a str,
    /// The twelve digits of its account.
    pub account: &'a str,
}

impl Who<'_> {
    /// Whether `arn`, of a user, role or session, is this caller.
    ///
    /// The session of a role is also the role; its ARN has lost the path, so that names decide.
    fn is(&self, arn: &str) -> bool {
        self.arn == arn || role_of_session(self.arn).is_some_and(|own| role(arn) == Some(own))
    }
}

/// Account and role name of `arn:P:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
fn role_of_session(arn: &str) -> Option<(&str, &str)> {
    let (account, name) = resource(arn, "sts")?;
    let (role, _session) = name.strip_prefix("assumed-role/")?.split_once('/')?;
    Some((account, role))
}

/// Account and name of `arn:P:iam::ACCOUNT:role/PATH/ROLE`.
fn role(arn: &str) -> Option<(&str, &str)> {
    let (account, name) = resource(arn, "iam")?;
    let role = name.strip_prefix("role/")?;
    Some((account, role.rsplit('/').next()?))
}

/// Account and last field of an ARN of a service without Regions.
fn resource<'a>(arn: &'a str, service: &str) -> Option<(&'a str, &'a str)> {
    let mut fields = arn.splitn(6, ':');
    let is_arn = fields.next()? == "arn" && fields.nth(1)? == service && fields.next()?.is_empty();
    is_arn.then_some(())?;
    Some((fields.next()?, fields.next()?))
}

/// How a statement or a grant reaches a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// By name, or as anybody.
    Named,
    /// As one of its account, whose own policies decide.
    Account,
}

/// One value of `Principal`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Principal {
    Anybody,
    /// An account: its id, or the ARN of its root user.
    Account(Box<str>),
    /// A user, role or session.
    Arn(Box<str>),
    /// Nobody who calls here: a service, a federated or canonical user.
    Elsewhere,
}

impl Principal {
    /// A value of `AWS`; `None` if it is none.
    pub(super) fn aws(text: &str) -> Option<Self> {
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        if text == "*" {
            return Some(Self::Anybody);
        }
        if is_account(text) {
            return Some(Self::Account(text.into()));
        }
        let (account, name) = resource(text, "iam").or_else(|| resource(text, "sts"))?;
        if !is_account(account) || text.contains(['*', '?']) {
            return None;
        }
        let kinds = ["user/", "role/", "assumed-role/", "federated-user/"];
        match name {
            "root" => Some(Self::Account(account.into())),
            name if kinds.iter().any(|kind| name.len() > kind.len() && name.starts_with(kind)) => {
                Some(Self::Arn(text.into()))
            }
            _ => None,
        }
    }

    fn reach(&self, who: &Who<'_>) -> Option<Reach> {
        match self {
            Self::Anybody => Some(Reach::Named),
            Self::Account(account) => (**account == *who.account).then_some(Reach::Account),
            Self::Arn(arn) => who.is(arn).then_some(Reach::Named),
            Self::Elsewhere => None,
        }
    }
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug)]
pub(super) struct Principals {
    pub(super) list: Vec<Principal>,
    pub(super) inverted: bool,
}

impl Principals {
    /// Whether these reach the caller, and how. A deny reaches everyone of an account it names.
    pub(super) fn reach(&self, who: &Who<'_>, denies: bool) -> Option<Reach> {
        let reaches = self.list.iter().filter_map(|principal| principal.reach(who));
        let best = reaches.reduce(|a, b| if a == Reach::Named { a } else { b });
        match (self.inverted, best) {
            (true, None) => Some(Reach::Named),
            (true, Some(_)) => None,
            (false, Some(_)) if denies => Some(Reach::Named),
            (false, best) => best,
        }
    }
}

/// Whether a grant may name it: an account, user, role or session.
pub(in crate::keystore) fn is_principal(text: &str) -> bool {
    !matches!(Principal::aws(text), None | Some(Principal::Anybody))
}

/// How a name that [`is_principal`] reaches the caller.
pub(in crate::keystore) fn reach(text: &str, who: &Who<'_>) -> Option<Reach> {
    Principal::aws(text)?.reach(who)
}
