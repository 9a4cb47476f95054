//! `Work`: what every server but the ring's does for a request, and what the ring's does too.

use core::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use keymill::crypto::drbg::Drbg;
use keymill::crypto::seal::{Contexts, seal_batch};
use keymill::keystore::{ServedKeystore, ServedPrincipal};
use keymill::pipeline::authorize::{Caller, KeyUse, Via, access};
use keymill::pipeline::source::KeyPairSource;
use keymill::spec::{EncryptionContext, KeyPairSpec, Operation};
use keymill::sys::features::Backend;

/// Bytes of a request.
pub const REQUEST: usize = 64;
/// Bytes of an answer, as a slot of the ring has.
pub const ANSWER: usize = 4096;

/// The key that every request names.
pub const KEY: &str = "alias/default";

/// The context of every request.
pub fn context() -> EncryptionContext {
    EncryptionContext::from_pairs([("serial", "SN-000001")]).unwrap()
}

/// A request is the code of its spec, again and again.
pub const fn request(spec: KeyPairSpec) -> [u8; REQUEST] {
    [spec.code(); REQUEST]
}

/// What a server has to answer requests, one after the other.
pub struct Work {
    keystore: Arc<ServedKeystore>,
    source: Arc<dyn KeyPairSource>,
    caller: Caller,
    drbg: Drbg,
}

impl Work {
    pub fn new(keystore: &Arc<ServedKeystore>, source: &Arc<dyn KeyPairSource>) -> Self {
        let scope = keystore.scope().clone();
        Self {
            keystore: Arc::clone(keystore),
            source: Arc::clone(source),
            caller: Caller::new(Arc::new(ServedPrincipal::root(&scope)), scope),
            drbg: Drbg::from_system().unwrap(),
        }
    }

    /// One key pair through the corridor: its public key and its blob.
    pub fn answer(&mut self, request: &[u8; REQUEST], answer: &mut [u8; ANSWER]) {
        let spec = KeyPairSpec::from_code(request[0]).unwrap();
        let context = context();
        let snapshot = self.keystore.snapshot();
        let wanted = KeyUse {
            action: Operation::GenerateDataKeyPairWithoutPlaintext.into(),
            caller: &self.caller,
            via: VIA,
            key_id: KEY,
            spec: Some(spec),
            context: Some(&context),
            grant_tokens: &[],
            members: &[],
            makes: None,
        };
        let permit = access(&snapshot, &wanted).unwrap().to_wrap().unwrap();
        let batch = self.source.take(spec).unwrap();
        self.drbg.reseed().unwrap();
        let contexts = Contexts { head: &[], rest: |_, aad: &mut Vec<u8>| context.encode(aad) };
        let wrapped = seal_batch(permit.key(), Backend::Portable, &mut self.drbg, batch, contexts);
        let (public, blob) = (wrapped.public_key(0), wrapped.blob(0));
        answer[..public.len()].copy_from_slice(public);
        answer[public.len()..][..blob.len()].copy_from_slice(blob);
    }
}

/// Whoever calls is on this machine.
const VIA: Via<'static> =
    Via { address: IpAddr::V4(Ipv4Addr::LOCALHOST), is_encrypted: true, user_agent: None };
