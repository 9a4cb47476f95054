//! `keymill bench` against `keymill serve`: what was asked, sent and answered, by its own report and by
//! what can be done with the answers.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::client::{ACCESS_KEY_ID, SECRET, Signer};
use crate::process::{Serve, make_principal};
use crate::tls::make_certificate;

/// `keymill bench` as the tester.
fn bench(endpoint: &str, arguments: &[&str]) -> Command {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_keymill"));
    bench
        .args(["bench", "--json", "--endpoint", endpoint])
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", "us-east-1")
        .env_remove("AWS_SESSION_TOKEN");
    bench
}

fn report(bench: &mut Command) -> Value {
    let run = bench.output().unwrap();
    assert!(run.status.success(), "{run:?}");
    serde_json::from_slice(&run.stdout).unwrap()
}

/// A server with a principal, and whatever else it is told.
fn serve(folder: &Path, arguments: &[&str]) -> (Serve, String) {
    let home = folder.join("home");
    make_principal(&home, "tester", ACCESS_KEY_ID);
    let serve = Serve::start_with(&home, arguments);
    let endpoint = format!("http://{}", serve.address);
    (serve, endpoint)
}

#[test]
fn every_request_has_one_end_and_every_answered_blob_opens() {
    let folder = tempfile::tempdir().unwrap();
    let weather = ["--fault", "ThrottlingException=10%", "--drop", "5%", "--fault-seed", "7"];
    let (serve, endpoint) = serve(folder.path(), &weather);
    let (answers, plot) = (folder.path().join("answers.jsonl"), folder.path().join("plot.svg"));
    let mix = "ECC_NIST_P256=75%,ML_KEM_512=25%";
    let report = report(&mut bench(
        &endpoint,
        &[
            &["--rate", "300", "--duration", "1s", "--connections", "4", "--spec", mix][..],
            &["--answers", answers.to_str().unwrap(), "--plot", plot.to_str().unwrap()],
        ]
        .concat(),
    ));
    let count = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    assert_eq!((count("/asked/requests"), count("/sent/requests")), (300, 300));
    assert_eq!((count("/by_spec/0/sent"), count("/by_spec/1/sent")), (225, 75));
    let ok = count("/answered/ok");
    let throttled = count("/answered/exceptions/ThrottlingException");
    let closed = count("/answered/lost/connection closed");
    assert_eq!(ok + throttled + closed, 300, "{report:#}");
    assert!(ok > 200 && throttled > 0 && closed > 0, "{report:#}");
    assert_eq!(count("/by_spec/0/ok") + count("/by_spec/1/ok"), ok);
    assert!(fs::read_to_string(plot).unwrap().starts_with("<svg"));

    // The weather has nothing to do with what is checked from here on.
    serve.kill();
    let serve = Serve::start_with(&folder.path().join("home"), &[]);
    let mut connection = serve.connect();
    let (mut numbers, mut public_keys) = (HashSet::new(), HashSet::new());
    for line in fs::read_to_string(answers).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(numbers.insert(line["Number"].as_u64().unwrap()), "{line}");
        if line["End"] != "OK" {
            continue;
        }
        assert!(public_keys.insert(line["PublicKey"].as_str().unwrap().to_owned()), "{line}");
        let body = serde_json::json!({"CiphertextBlob": line["PrivateKeyCiphertextBlob"]});
        let opened = connection.call(&Signer::tester(), "Decrypt", &body.to_string());
        assert_eq!(opened.status, 200, "{line}\n{opened:?}");
    }
    assert_eq!(numbers, (0..300).collect());
    assert_eq!(public_keys.len() as u64, ok);
}

/// One connection to an endpoint that needs a tenth of a second falls behind, and the report says so:
/// the last of twenty requests is due after 0.95 s and cannot be answered before 2 s.
#[test]
fn latency_counts_from_the_moment_a_request_was_due() {
    let folder = tempfile::tempdir().unwrap();
    let (_serve, endpoint) = serve(folder.path(), &["--latency", "100ms"]);
    let arguments = ["--rate", "20", "--duration", "1s", "--connections", "1"];
    let report = report(&mut bench(&endpoint, &arguments));
    assert_eq!(report["answered"]["ok"], 20, "{report:#}");
    assert!(report["latency_ms"]["longest"].as_f64().unwrap() > 1000.0, "{report:#}");
    assert!(report["sent"]["late_ms"]["longest"].as_f64().unwrap() > 900.0, "{report:#}");
}

#[test]
fn refusals_are_counted_by_exception() {
    let folder = tempfile::tempdir().unwrap();
    let (_serve, endpoint) = serve(folder.path(), &[]);
    let arguments = ["--rate", "100", "--duration", "100ms", "--connections", "2"];
    let report = report(bench(&endpoint, &arguments).env("AWS_SECRET_ACCESS_KEY", "another"));
    assert_eq!(report["answered"]["exceptions"]["InvalidSignatureException"], 10, "{report:#}");
    assert_eq!(report["answered"]["ok"], 0);
}

#[test]
fn nobody_listening_is_said() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = bench(&format!("http://{free}"), &["--duration", "1s"]).output().unwrap();
    let talk = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(69), "{talk}");
    assert!(talk.contains("refused") && talk.contains("keymill serve"), "{talk}");
}

#[test]
fn an_endpoint_under_tls_is_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = make_certificate(folder.path());
    let (serve, _) = serve(folder.path(), &["--tls-cert", &certificate, "--tls-key", &key]);
    let arguments = ["--rate", "100", "--duration", "100ms", "--connections", "2"];
    let mut bench = bench(&format!("https://{}", serve.address), &arguments);
    let report = report(bench.env("AWS_CA_BUNDLE", &certificate));
    assert_eq!(report["answered"]["ok"], 10, "{report:#}");
    // Who is not vouched for is told nothing.
    let elsewhere = tempfile::tempdir().unwrap();
    let [stranger, _] = make_certificate(elsewhere.path());
    let refused = bench.env("AWS_CA_BUNDLE", &stranger).output().unwrap();
    assert_eq!(refused.status.code(), Some(69), "{refused:?}");
}
