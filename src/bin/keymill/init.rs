//! `keymill init`: a keystore made on purpose.

use keymill::keystore::{Keystore, OpenOptions, Unlock};
use keymill::secret::Secret;

use crate::args::{Arguments, Init};
use crate::failure::{Code, Failure};
use crate::home;
use crate::output::say;

pub fn run(arguments: &Arguments, wanted: &Init) -> Result<(), Failure> {
    let home = home::path(arguments)?;
    let unlock = match home::passphrase_from_file(arguments)? {
        Some(passphrase) => Unlock::Passphrase(passphrase),
        None if wanted.passphrase => Unlock::Passphrase(ask_twice()?),
        None => Unlock::KeyFile,
    };
    let has_key_file = matches!(unlock, Unlock::KeyFile);
    let scope = wanted.scope.to_options();
    let options = OpenOptions { unlock, scope, ..OpenOptions::default() };
    Keystore::init(&home, options)?;
    if has_key_file {
        home::announce(&home);
    } else {
        say(format!("made a keystore with alias/default in {}", home.display()));
        say("it opens with its passphrase only; a forgotten passphrase cannot be recovered");
    }
    Ok(())
}

fn ask_twice() -> Result<Secret<String>, Failure> {
    let ask = |prompt| {
        rpassword::prompt_password(prompt).map(Secret::new).map_err(|error| {
            Failure::new(Code::Usage, format!("cannot ask for a passphrase: {error}"))
                .hint("run it on a terminal, or give --passphrase-file FILE")
        })
    };
    let first = ask("New passphrase: ")?;
    let second = ask("Again: ")?;
    if first.expose() != second.expose() {
        return Err(Failure::new(Code::Usage, "the two passphrases differ"));
    }
    Ok(first)
}
