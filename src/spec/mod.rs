//! The shared nouns: what kind of key pair, under which KMS key, bound to which context.
//!
//! Plain values with a parser and a `Display`; they know no file, key material or clock.

pub mod encryption_context;
pub mod key_id;
pub mod key_pair_spec;
pub mod material_id;
pub mod operation;
pub mod pool_id;

pub use encryption_context::EncryptionContext;
pub use key_id::{Account, AliasName, KeyArn, KeyId, Partition, Region, ResourceId};
pub use key_pair_spec::KeyPairSpec;
pub use material_id::MaterialId;
pub use operation::{Action, Operation};
pub use pool_id::PoolId;
