//! ML-KEM of libcrux, verified and vectorised.

use std::hint::black_box;

use keymill::crypto::drbg::Drbg;
use keymill::spec::KeyPairSpec;
use libcrux_ml_kem::{mlkem512, mlkem768, mlkem1024};

use crate::contender::Contender;

/// The key generation of libcrux for `spec`.
pub fn contender(spec: KeyPairSpec) -> Option<Contender> {
    let mut drbg = Drbg::from_system().expect("the system gives entropy");
    let difference = if std::arch::is_x86_feature_detected!("avx2") {
        "both keys expanded and encoded; on AVX2, chosen at run time"
    } else {
        "both keys expanded and encoded; portable code, this CPU lacks AVX2"
    };
    macro_rules! lattice {
        ($size:ident) => {
            Contender::one_by_one(spec, "libcrux-ml-kem", difference, move || {
                let mut seed = [0; 64];
                drbg.fill(&mut seed);
                black_box($size::generate_key_pair(seed));
            })
        };
    }
    match spec {
        KeyPairSpec::MlKem512 => Some(lattice!(mlkem512)),
        KeyPairSpec::MlKem768 => Some(lattice!(mlkem768)),
        KeyPairSpec::MlKem1024 => Some(lattice!(mlkem1024)),
        _ => None,
    }
}
