//! The keystore's folder, and how it is unlocked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keymill::keystore::{Keystore, OpenOptions, Outcome, ScopeOptions, Unlock};
use keymill::secret::Secret;
use keymill::spec::KeyId;

use crate::args::Arguments;
use crate::failure::{Code, Failure};
use crate::output::say;

/// How long a command waits for another one to be done with the keystore.
const PATIENCE: Duration = Duration::from_secs(2);

/// `--home`, else `keymill` in the XDG data directory.
pub fn path(arguments: &Arguments) -> Result<PathBuf, Failure> {
    if let Some(home) = &arguments.home {
        return Ok(home.clone());
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").filter(|path| path.is_absolute());
    match data.or_else(|| Some(set("HOME")?.join(".local/share"))) {
        Some(data) => Ok(data.join("keymill")),
        None => Err(Failure::new(Code::BadConfiguration, "no folder for the keystore")
            .hint("give --home DIR, or set HOME")),
    }
}

/// Opens the keystore; makes one, with a first key, if there is none.
pub fn open_or_create(arguments: &Arguments) -> Result<Keystore, Failure> {
    open_or_create_in(arguments, ScopeOptions::default())
}

/// As [`open_or_create`], and answers for `scope`, which becomes a new keystore's own.
pub fn open_or_create_in(arguments: &Arguments, scope: ScopeOptions) -> Result<Keystore, Failure> {
    let home = path(arguments)?;
    let options = OpenOptions { scope, ..options(arguments)? };
    let (keystore, outcome) = Keystore::open_or_create(&home, options)?;
    if outcome == Outcome::Created {
        announce(&home);
    }
    Ok(keystore)
}

/// Tells that a keystore was made, and what its root key being a file means.
pub fn announce(home: &std::path::Path) {
    say(format!("made a keystore with alias/default in {}", home.display()));
    say("its root key is a file beside it: whoever can read that folder can open every key");
    say("(keymill init --passphrase, before first use, seals it under a passphrase instead)");
}

/// Opens the keystore, which must be there.
pub fn open(arguments: &Arguments) -> Result<Keystore, Failure> {
    Ok(Keystore::open(&path(arguments)?, options(arguments)?)?)
}

/// As [`open`], and answers for the Region and account that `key` names, if it is an ARN.
pub fn open_for(arguments: &Arguments, key: &KeyId) -> Result<Keystore, Failure> {
    let mut keystore = open(arguments)?;
    follow(&mut keystore, key);
    Ok(keystore)
}

/// Makes `keystore` answer for the Region and account that `key` names, if it is an ARN: one
/// keystore holds the keys of many.
pub fn follow(keystore: &mut Keystore, key: &KeyId) {
    match key {
        KeyId::KeyArn(arn) => keystore.set_scope(arn.scope.clone()),
        KeyId::AliasArn(scope, _) => keystore.set_scope(scope.clone()),
        KeyId::Id(_) | KeyId::Alias(_) => {}
    }
}

fn options(arguments: &Arguments) -> Result<OpenOptions, Failure> {
    let unlock = match passphrase_from_file(arguments)? {
        Some(passphrase) => Unlock::Passphrase(passphrase),
        None => {
            Unlock::Ask(Box::new(|| rpassword::prompt_password("Passphrase: ").map(Secret::new)))
        }
    };
    Ok(OpenOptions { unlock, wait: PATIENCE, ..OpenOptions::default() })
}

/// The first line of `--passphrase-file`.
pub fn passphrase_from_file(arguments: &Arguments) -> Result<Option<Secret<String>>, Failure> {
    let path = arguments.passphrase_file.as_ref();
    path.map(|path| secret_line("passphrase file", path)).transpose()
}

/// The policy document at `path`, unread.
pub fn policy(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::new(Code::NoInput, format!("policy {}: {error}", path.display())))
}

/// The first line of the file at `path`, which is a `kind`.
pub fn secret_line(kind: &str, path: &Path) -> Result<Secret<String>, Failure> {
    let text = fs::read_to_string(path).map(Secret::new).map_err(|error| {
        Failure::new(Code::NoInput, format!("{kind} {}: {error}", path.display()))
    })?;
    let line = text.expose().lines().next().unwrap_or_default();
    if line.is_empty() {
        let message = format!("{kind} {}: the first line is empty", path.display());
        return Err(Failure::new(Code::BadData, message));
    }
    Ok(Secret::new(line.to_owned()))
}
