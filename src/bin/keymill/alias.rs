//! `keymill alias`: names for KMS keys.

use keymill::keystore::AliasEntry;
use serde_json::json;

use crate::args::{Alias, AliasList, Arguments};
use crate::failure::Failure;
use crate::home;
use crate::output::report;

pub fn run(arguments: &Arguments, alias: &Alias) -> Result<(), Failure> {
    match alias {
        Alias::Create(wanted) => {
            let mut keystore = home::open_for(arguments, &wanted.target_key_id)?;
            Ok(keystore.create_alias(&wanted.alias_name, &wanted.target_key_id)?)
        }
        Alias::Update(wanted) => {
            let mut keystore = home::open_for(arguments, &wanted.target_key_id)?;
            Ok(keystore.update_alias(&wanted.alias_name, &wanted.target_key_id)?)
        }
        Alias::Delete(wanted) => {
            let mut keystore = home::open(arguments)?;
            Ok(keystore.delete_alias(&wanted.alias_name)?)
        }
        Alias::List(wanted) => list(arguments, wanted),
    }
}

fn list(arguments: &Arguments, wanted: &AliasList) -> Result<(), Failure> {
    let keystore = home::open(arguments)?;
    let aliases: Vec<AliasEntry> = match &wanted.key_id {
        Some(key) => keystore.list_aliases_of(key)?,
        None => keystore.list_aliases(),
    };
    report(arguments.json, &json!({ "Aliases": aliases }), |_| {
        let line = |alias: &AliasEntry| format!("{}  {}\n", alias.alias_arn, alias.target_key_id);
        aliases.iter().map(line).collect()
    })
}
