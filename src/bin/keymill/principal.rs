//! `keymill principal`: who may call the endpoint.

use keymill::keystore::{AccessKey, CreatePrincipal, Principal as Record};
use serde_json::{Value, json};

use crate::args::{Arguments, Principal, PrincipalCreate, PrincipalSession};
use crate::failure::Failure;
use crate::home;
use crate::output::report;

pub fn run(arguments: &Arguments, principal: &Principal) -> Result<(), Failure> {
    match principal {
        Principal::Create(wanted) => create(arguments, wanted),
        Principal::Session(wanted) => session(arguments, wanted),
        Principal::List => list(arguments),
        Principal::Delete(wanted) => {
            let mut keystore = home::open(arguments)?;
            let gone = keystore.delete_principal(&wanted.name)?;
            report(arguments.json, &json!({ "Principal": shown(&gone) }), |_| String::new())
        }
    }
}

fn create(arguments: &Arguments, wanted: &PrincipalCreate) -> Result<(), Failure> {
    let access_key = match (&wanted.access_key_id, &wanted.secret_access_key_file) {
        (Some(id), Some(path)) => {
            let secret = home::secret_line("secret access key file", path)?;
            Some(AccessKey { id: id.clone(), secret })
        }
        _ => None,
    };
    let is_given = access_key.is_some();
    let wanted = CreatePrincipal {
        name: wanted.name.clone(),
        account: wanted.account_id,
        access_key,
        policy: wanted.policy.as_deref().map(home::policy).transpose()?,
        session: None,
    };
    let (made, key) = home::open_or_create(arguments)?.create_principal(wanted)?;
    let mut entry = shown(&made);
    if !is_given {
        entry["SecretAccessKey"] = key.secret.expose().as_str().into();
    }
    report(arguments.json, &json!({ "Principal": entry }), |_| {
        let secret = if is_given {
            String::new()
        } else {
            format!("export AWS_SECRET_ACCESS_KEY={}\n", key.secret.expose())
        };
        format!("export AWS_ACCESS_KEY_ID={}\n{secret}", key.id)
    })
}

fn session(arguments: &Arguments, wanted: &PrincipalSession) -> Result<(), Failure> {
    let (made, key) = home::open(arguments)?.create_session(&wanted.name, wanted.duration)?;
    let token = made.session().map(|session| session.token.clone()).unwrap_or_default();
    let mut entry = shown(&made);
    entry["SecretAccessKey"] = key.secret.expose().as_str().into();
    entry["SessionToken"] = token.as_str().into();
    report(arguments.json, &json!({ "Principal": entry }), |_| {
        format!(
            "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n\
             export AWS_SESSION_TOKEN={token}\n",
            key.id,
            key.secret.expose()
        )
    })
}

fn list(arguments: &Arguments) -> Result<(), Failure> {
    let keystore = home::open(arguments)?;
    let entries: Vec<Value> = keystore.principals().map(shown).collect();
    report(arguments.json, &json!({ "Principals": entries }), |_| {
        let line = |principal: &Record| {
            let until = principal.session().map(|session| format!("  until {}", session.expires));
            let until = until.unwrap_or_default();
            format!("{}  {}{until}\n", principal.access_key_id(), principal.arn())
        };
        keystore.principals().map(line).collect()
    })
}

fn shown(principal: &Record) -> Value {
    let mut entry = json!({
        "AccessKeyId": principal.access_key_id(),
        "Arn": principal.arn(),
        "CreateDate": principal.created().to_string(),
    });
    if let Some(session) = principal.session() {
        entry["Expiration"] = session.expires.to_string().into();
    }
    entry
}
