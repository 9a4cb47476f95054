//! Makes keys of which every random bit is marked unknown, for Valgrind to say where one steers.
//!
//! `tools/taint/run` builds this and runs it under Memcheck. The seed of the generator is marked
//! as uninitialised memory, so that everything drawn from it is, and everything computed from
//! that: candidates, primes, private values. Memcheck then reports each branch and each address
//! that depends on it. `public.supp` lists the decisions that are public, each with its reason;
//! any other one is an error. The method is ctgrind's (A. Langley, 2010).
//!
//! Valgrind has no AVX-512, so what is checked is the machine code of the portable backend. The search
//! above it is one source for both; the vector kernel's own code is not seen. Arguments: specs, and
//! `control`, which branches on a secret for once, so that a run that finds nothing means something.

#![expect(unsafe_code, reason = "a request to Valgrind is a sequence of instructions")]

use std::process::ExitCode;

use keymill::crypto::drbg::Drbg;
use keymill::crypto::{KeyPairBatch, engine};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::Backend;

/// `RUNNING_ON_VALGRIND` of valgrind.h.
const RUNNING_ON_VALGRIND: u64 = 0x1001;
/// `VALGRIND_MAKE_MEM_UNDEFINED` of memcheck.h: the tool's letters, and its second request.
const MAKE_MEM_UNDEFINED: u64 = (b'M' as u64) << 24 | (b'C' as u64) << 16 | 1;

/// A client request: four rotations that sum to 128 bits and an exchange of a register with
/// itself, which no compiler writes. Outside of Valgrind they do nothing, and the answer is 0.
#[cfg(target_arch = "x86_64")]
fn request(arguments: [u64; 6]) -> u64 {
    let mut answer = 0_u64;
    // SAFETY: the rotations restore rdi and the exchange changes nothing; Valgrind reads six
    // words at rax and writes rdx only.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inout("rdx") answer,
            in("rax") arguments.as_ptr(),
            out("rdi") _,
        );
    }
    answer
}

/// A generator whose every output Memcheck takes for unknown.
fn secret_drbg() -> Drbg {
    let mut seed = std::hint::black_box([7_u8; 32]);
    let address = seed.as_mut_ptr() as u64;
    request([MAKE_MEM_UNDEFINED, address, seed.len() as u64, 0, 0, 0]);
    Drbg::from_seed(seed)
}

/// One key pair by the portable backend.
fn portable_pair(spec: KeyPairSpec) {
    let mut batch = KeyPairBatch::with_capacity(spec, 1);
    let made = engine(spec, Backend::Portable).generate(&mut secret_drbg(), &mut batch, 1);
    println!("{spec}: {}", if made.is_ok() { "a pair" } else { "no pair" });
}

/// What must be found: a branch that a secret steers.
fn control() {
    let mut secret = [0];
    secret_drbg().fill(&mut secret);
    println!("control: {}", if std::hint::black_box(secret[0]) < 128 { "low" } else { "high" });
}

fn main() -> ExitCode {
    if request([RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0]) == 0 {
        eprintln!("this means nothing outside of Valgrind: use tools/taint/run");
        return ExitCode::FAILURE;
    }
    for argument in std::env::args().skip(1) {
        match argument.parse::<KeyPairSpec>() {
            Ok(spec) => portable_pair(spec),
            Err(_) if argument == "control" => control(),
            Err(error) => {
                eprintln!("{argument}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
