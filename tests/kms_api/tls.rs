//! The endpoint under TLS, with a certificate that OpenSSL makes.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::Signer;
use crate::process::{Serve, keymill, make_principal};

/// Makes a certificate for 127.0.0.1 and its key in `folder`.
pub fn make_certificate(folder: &Path) -> [String; 2] {
    let path = |name| folder.join(name).to_str().unwrap().to_owned();
    let files = [path("cert.pem"), path("key.pem")];
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "1", "-subj", "/CN=keymill", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-out", &files[0], "-keyout", &files[1]])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{made:?}");
    files
}

/// Sends a request over TLS, trusting `certificate` alone, and returns the version and the answer.
fn ask(serve: &Serve, certificate: &str, request: &str) -> (String, String) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls_graviola::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = serve.address.ip().into();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(serve.address).unwrap());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = vec![0; 4096];
    let bytes = stream.read(&mut answer).unwrap();
    answer.truncate(bytes);
    let version = format!("{:?}", stream.conn.protocol_version().unwrap());
    (version, String::from_utf8(answer).unwrap())
}

#[test]
fn calls_are_answered_under_tls() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    make_principal(&home, "tester", "AKIDEXAMPLE");
    let [certificate, key] = make_certificate(folder.path());
    let log = folder.path().join("audit");
    let arguments =
        ["--tls-cert", &certificate, "--tls-key", &key, "--audit", log.to_str().unwrap()];
    let serve = Serve::start_with(&home, &arguments);
    let request = Signer::tester().request("GenerateRandom", r#"{"NumberOfBytes": 1}"#);
    let (version, answer) = ask(&serve, &certificate, &request);
    assert_eq!(version, "TLSv1_3");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    // Who does not encrypt is not answered, and keeps nobody else from it.
    let mut plain = TcpStream::connect(serve.address).unwrap();
    plain.write_all(request.as_bytes()).unwrap();
    let mut refusal = Vec::new();
    let _ = plain.read_to_end(&mut refusal);
    assert!(!refusal.starts_with(b"HTTP"), "{refusal:?}");
    assert!(ask(&serve, &certificate, &request).1.starts_with("HTTP/1.1 200 OK"));
    serve.stop();
    let log = fs::read_to_string(log.join("audit-000001.jsonl")).unwrap();
    assert!(
        log.contains(r#""tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS13_AES_"#),
        "{log}"
    );
}

#[test]
fn a_certificate_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let [certificate, key] = make_certificate(folder.path());
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    let [_, other_key] = make_certificate(&other);
    for (certificate, key, code, said) in [
        ("nothing.pem", &*key, 66, "nothing.pem: "),
        (&certificate, &certificate, 66, "cert.pem: "),
        (&certificate, &other_key, 65, "does not go with its key"),
    ] {
        let refused = keymill(&home, &["serve", "--tls-cert", certificate, "--tls-key", key]);
        assert_eq!(refused.status.code(), Some(code), "{refused:?}");
        let text = String::from_utf8(refused.stderr).unwrap();
        assert!(text.contains(said), "{text}");
    }
    let alone = keymill(&home, &["serve", "--tls-cert", &certificate]);
    assert_eq!(alone.status.code(), Some(64));
}
