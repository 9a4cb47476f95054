//! The endpoint as a client sees it: raw HTTP in, exact status and JSON out.
//!
//! The exchanges stand in `exchanges/*.txt`, to be read; see [`script`] for their form. What they
//! cannot say (bad framing, wrong signatures, a kill) is tested in the other files.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without ends it")]
#![expect(
    unreachable_pub,
    reason = "a test has no outside: `pub` is what a file offers the others"
)]

mod bench;
mod client;
mod drawing;
mod empty_pool;
mod eventual;
mod grammar;
mod http;
mod import;
mod mutation;
mod operator;
mod paws;
mod permission;
mod process;
mod script;
mod signatures;
mod tls;
mod weather;

use script::play;

#[test]
fn data_key_pairs() {
    play("data_key_pairs", include_str!("exchanges/data_key_pairs.txt"));
}

#[test]
fn data_keys_and_blobs() {
    play("data_keys_and_blobs", include_str!("exchanges/data_keys_and_blobs.txt"));
}

#[test]
fn keys_and_aliases() {
    play("keys_and_aliases", include_str!("exchanges/keys_and_aliases.txt"));
}

#[test]
fn policies() {
    play("policies", include_str!("exchanges/policies.txt"));
}

#[test]
fn key_states() {
    play("key_states", include_str!("exchanges/key_states.txt"));
}

#[test]
fn aliases() {
    play("aliases", include_str!("exchanges/aliases.txt"));
}

#[test]
fn grants() {
    play("grants", include_str!("exchanges/grants.txt"));
}

#[test]
fn tags() {
    play("tags", include_str!("exchanges/tags.txt"));
}

#[test]
fn key_kinds() {
    play("key_kinds", include_str!("exchanges/key_kinds.txt"));
}

#[test]
fn imports() {
    play("imports", include_str!("exchanges/imports.txt"));
}

#[test]
fn multi_region() {
    play("multi_region", include_str!("exchanges/multi_region.txt"));
}

#[test]
fn key_usages() {
    play("key_usages", include_str!("exchanges/key_usages.txt"));
}

#[test]
fn signatures_and_macs() {
    play("signatures_and_macs", include_str!("exchanges/signatures_and_macs.txt"));
}

#[test]
fn asymmetric_encryption() {
    play("asymmetric_encryption", include_str!("exchanges/asymmetric_encryption.txt"));
}

#[test]
fn rotation() {
    play("rotation", include_str!("exchanges/rotation.txt"));
}
