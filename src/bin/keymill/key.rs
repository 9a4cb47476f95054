//! `keymill key`: the KMS keys.

use std::fs;

use keymill::keystore::{CreateKey, ImportMaterial, KeyMetadata, Origin, ReplicateKey};
use keymill::secret::Secret;
use keymill::spec::{KeyArn, KeyId};
use serde_json::json;
use zeroize::Zeroize;

use crate::args::{self, Arguments, Import, Key, KeyCreate, Replicate};
use crate::failure::{Code, Failure};
use crate::home;
use crate::output::report;

pub fn run(arguments: &Arguments, key: &Key) -> Result<(), Failure> {
    match key {
        Key::Create(wanted) => create(arguments, wanted),
        Key::List => list(arguments),
        Key::Describe(one) => {
            let keystore = home::open_for(arguments, &one.key_id)?;
            show(arguments, &keystore.describe(&one.key_id)?)
        }
        Key::Enable(one) => {
            let mut keystore = home::open_for(arguments, &one.key_id)?;
            keystore.enable(&one.key_id)?;
            show(arguments, &keystore.describe(&one.key_id)?)
        }
        Key::Disable(one) => {
            let mut keystore = home::open_for(arguments, &one.key_id)?;
            keystore.disable(&one.key_id)?;
            show(arguments, &keystore.describe(&one.key_id)?)
        }
        Key::Rotate(one) => {
            let mut keystore = home::open_for(arguments, &one.key_id)?;
            keystore.rotate(&one.key_id)?;
            show(arguments, &keystore.describe(&one.key_id)?)
        }
        Key::ScheduleDeletion(wanted) => {
            let mut keystore = home::open_for(arguments, &wanted.key.key_id)?;
            keystore.schedule_deletion(&wanted.key.key_id, wanted.pending_window_in_days)?;
            show(arguments, &keystore.describe(&wanted.key.key_id)?)
        }
        Key::CancelDeletion(one) => {
            let mut keystore = home::open_for(arguments, &one.key_id)?;
            keystore.cancel_deletion(&one.key_id)?;
            show(arguments, &keystore.describe(&one.key_id)?)
        }
        Key::Import(wanted) => import(arguments, wanted),
        Key::Replicate(wanted) => replicate(arguments, wanted),
    }
}

fn create(arguments: &Arguments, wanted: &KeyCreate) -> Result<(), Failure> {
    let mut keystore = home::open_or_create(arguments)?;
    let options = CreateKey {
        description: wanted.description.clone(),
        origin: match wanted.origin {
            args::Origin::AwsKms => Origin::AwsKms,
            args::Origin::External => Origin::External,
        },
        multi_region: wanted.multi_region,
        scope: wanted.scope.to_options(),
        ..CreateKey::default()
    };
    let key = keystore.create_key(&options)?;
    if let Some(alias) = &wanted.alias {
        let arn: KeyArn = key.arn.parse().map_err(|error| Failure::new(Code::Internal, error))?;
        keystore.set_scope(arn.scope.clone());
        keystore.create_alias(alias, &KeyId::KeyArn(arn))?;
    }
    show(arguments, &key)
}

fn list(arguments: &Arguments) -> Result<(), Failure> {
    let keystore = home::open(arguments)?;
    let keys: Vec<KeyMetadata> = keystore.keys().map(|key| keystore.metadata(key)).collect();
    report(arguments.json, &json!({ "Keys": keys }), |_| {
        let line =
            |key: &KeyMetadata| format!("{}  {:?}  {}\n", key.arn, key.key_state, key.description);
        keys.iter().map(line).collect()
    })
}

fn show(arguments: &Arguments, key: &KeyMetadata) -> Result<(), Failure> {
    report(arguments.json, &json!({ "KeyMetadata": key }), |_| {
        let mut text = format!("{}\n  state     {:?}\n", key.arn, key.key_state);
        if let Some(material) = key.current_key_material_id {
            text += &format!("  material  {material}\n");
        }
        if let Some(date) = key.deletion_date {
            text += &format!("  deletion  {date}\n");
        }
        text += &format!("  origin    {}\n  created   {}\n", key.origin, key.creation_date);
        if let Some(related) = &key.multi_region_configuration {
            text += &format!("  primary   {}\n", related.primary_key.region);
            for replica in &related.replica_keys {
                text += &format!("  replica   {}\n", replica.region);
            }
        }
        if !key.description.is_empty() {
            text += &format!("  about     {}\n", key.description);
        }
        text
    })
}

fn import(arguments: &Arguments, wanted: &Import) -> Result<(), Failure> {
    let material = read_material(&wanted.material_file)?;
    let mut keystore = home::open_for(arguments, &wanted.key.key_id)?;
    keystore.import_material(&wanted.key.key_id, ImportMaterial::new(material))?;
    show(arguments, &keystore.describe(&wanted.key.key_id)?)
}

fn replicate(arguments: &Arguments, wanted: &Replicate) -> Result<(), Failure> {
    let mut keystore = home::open_for(arguments, &wanted.key.key_id)?;
    let options = ReplicateKey {
        region: wanted.replica_region.clone(),
        description: wanted.description.clone(),
        policy: None,
        tags: Vec::new(),
    };
    let replica = keystore.replicate(&wanted.key.key_id, &options)?;
    show(arguments, &keystore.metadata(&replica))
}

/// The value of a hex digit.
const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// 32 bytes as they are, or as 64 hex digits.
fn read_material(path: &std::path::Path) -> Result<Secret<[u8; 32]>, Failure> {
    let bytes = fs::read(path).map(Secret::new).map_err(|error| {
        Failure::new(Code::NoInput, format!("material file {}: {error}", path.display()))
    })?;
    let mut material = [0; 32];
    let text = bytes.expose().trim_ascii();
    if bytes.expose().len() == 32 {
        material.copy_from_slice(bytes.expose());
    } else if text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit) {
        for (byte, pair) in material.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
    } else {
        let message = format!("material file {}: not 32 bytes", path.display());
        return Err(Failure::new(Code::BadData, message)
            .hint("32 random bytes, or the same as 64 hex digits"));
    }
    let secret = Secret::new(material);
    material.zeroize();
    Ok(secret)
}
