//! The shared nouns: what kind of key pair, under which KMS key, bound to which context.
//!
//! Plain values with a parser and a `Display`; they know no file, key material or clock.

pub mod algorithm;
pub mod encryption_context;
pub(crate) mod hex;
pub mod key_id;
pub mod key_pair_spec;
pub mod key_spec;
pub mod material_id;
pub mod names;
pub mod operation;
pub mod pool_id;

pub use algorithm::{
    Algorithms, EncapsulationAlgorithm, EncryptionAlgorithm, KeyAgreementAlgorithm, MacAlgorithm,
    SigningAlgorithm,
};
pub use encryption_context::EncryptionContext;
pub use key_id::{Account, AliasName, KeyArn, KeyId, Partition, Region, ResourceId};
pub use key_pair_spec::KeyPairSpec;
pub use key_spec::{KeySpec, KeyUsage, MlDsaSpec};
pub use material_id::MaterialId;
pub use names::UnknownName;
pub use operation::{Action, Operation};
pub use pool_id::PoolId;
