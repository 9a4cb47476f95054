//! The proof that warm workers ask nothing of the kernel, on the real program: with
//! `--confine-workers` the kernel itself ends the process at the first system call that a worker
//! makes between its first slot and its last. That the filter does bite is shown beside it, in
//! `sys::seccomp`.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::process::{Command, Output};

use serde_json::Value;

/// Runs `generate` in a fresh folder with a keystore of its own.
fn generate(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keymill"));
    command.current_dir(&folder).args(["--home", "home", "generate", "--json"]).args(arguments);
    command.output().unwrap()
}

#[test]
fn a_warm_worker_makes_no_system_call() {
    for (spec, count) in [
        ("ECC_NIST_P256", "100000"),
        ("ECC_NIST_EDWARDS25519", "50000"),
        ("ML_KEM_768", "20000"),
        ("RSA_2048", "96"),
    ] {
        let wanted = ["--key-pair-spec", spec, "--count", count, "--threads", "2"];
        let output = generate(&[&wanted[..], &["--confine-workers", "-o", "keys.arrow"]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{spec}: {}: {told}", output.status);
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        println!("{spec}: {}", summary["workers"]);
        assert_eq!(summary["made"].to_string(), count);
        // Faults and preemptions depend on what else the machine does; a wait would be ours.
        assert_eq!(summary["workers"]["voluntary_switches"], 0, "{spec}");
    }
}

#[test]
fn a_job_of_many_files_is_refused() {
    let wanted = ["--key-pair-spec", "ECC_NIST_P256", "--count", "9000", "--part-bytes", "1"];
    let output = generate(&[&wanted[..], &["--confine-workers", "-o", "keys/"]].concat());
    assert_eq!(output.status.code(), Some(64), "{}", output.status);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--confine-workers"));
}
