//! HTTP itself: framing, limits, and connections that do not behave.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use keymill::kms::Forecast;
use keymill::limits::{REQUEST_BODY_BYTES_MAX, REQUEST_HEAD_BYTES_MAX, REQUEST_HEADERS_MAX};

use crate::client::{Signer, TestServer};

const RANDOM: &str = r#"{"NumberOfBytes": 1}"#;

#[test]
fn an_answer_has_the_headers_that_clients_look_for() {
    let server = TestServer::start();
    let mut connection = server.connect();
    let one = connection.call(&Signer::tester(), "GenerateRandom", RANDOM);
    assert_eq!(one.header("content-type"), Some("application/x-amz-json-1.1"));
    assert!(one.header("date").unwrap().ends_with("GMT"));
    let id = one.header("x-amzn-requestid").unwrap().to_owned();
    assert_eq!(id.len(), 36);
    let other = connection.call(&Signer::tester(), "GenerateRandom", RANDOM);
    assert_ne!(other.header("x-amzn-requestid"), Some(id.as_str()));
}

#[test]
fn requests_may_be_sent_behind_each_other_and_in_pieces() {
    let server = TestServer::start();
    let mut connection = server.connect();
    let request = Signer::tester().request("GenerateRandom", RANDOM);
    connection.send([request.as_str(), &request].concat().as_bytes());
    for _ in 0..2 {
        assert_eq!(connection.receive().unwrap().status, 200);
    }
    for byte in request.as_bytes() {
        connection.send(&[*byte]);
    }
    assert_eq!(connection.receive().unwrap().status, 200);
}

#[test]
fn a_body_may_come_in_chunks() {
    let server = TestServer::start();
    let mut connection = server.connect();
    let request = Signer::tester().request("GenerateRandom", RANDOM);
    let length = format!("content-length: {}", RANDOM.len());
    let request = request.replace(&length, "transfer-encoding: chunked");
    let (one, other) = RANDOM.split_at(7);
    let chunks = format!("7\r\n{one}\r\n{:x}\r\n{other}\r\n0\r\n\r\n", other.len());
    connection.send(request.replace(RANDOM, &chunks).as_bytes());
    assert_eq!(connection.receive().unwrap().status, 200);
}

#[test]
fn what_is_no_call_gets_the_front_doors_answer() {
    let server = TestServer::start();
    for line in ["GET / HTTP/1.1", "PUT / HTTP/1.1", "DELETE / HTTP/1.1", "POST /x HTTP/1.1"] {
        let mut connection = server.connect();
        connection.send(format!("{line}\r\nhost: x\r\ncontent-length: 0\r\n\r\n").as_bytes());
        let reply = connection.receive().unwrap();
        assert_eq!(reply.status, 403, "{line}");
        assert!(reply.body.contains("Unable to determine service/operation name"), "{line}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let server = TestServer::start();
    let head = "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: TrentService.GenerateRandom\r\n";
    let body = format!("content-length: {}\r\n\r\n", REQUEST_BODY_BYTES_MAX + 1);
    // The bound is looked at between reads, so that a head somewhat above it may still pass.
    let long = format!("x: {}\r\n\r\n", "x".repeat(4 * REQUEST_HEAD_BYTES_MAX));
    let many = "x: y\r\n".repeat(REQUEST_HEADERS_MAX + 1) + "\r\n";
    for (what, rest, status) in [("body", body, 413), ("header", long, 431), ("headers", many, 431)]
    {
        let mut connection = server.connect();
        // The server may hang up before it has read everything.
        let _ = connection.try_send([head, &rest].concat().as_bytes());
        assert_eq!(connection.receive().unwrap().status, status, "{what}");
    }
}

/// No request is hidden in another: one answer, and none for what is smuggled.
#[test]
fn framing_that_can_be_read_in_two_ways_is_refused() {
    let server = TestServer::start();
    let hidden = Signer::tester().request("GenerateRandom", RANDOM);
    let request = Signer::tester().request("GenerateRandom", RANDOM);
    let length = format!("content-length: {}\r\n", RANDOM.len());
    for framing in [
        "content-length: 20\r\ncontent-length: 0\r\n",
        "content-length: 20, 0\r\n",
        "content-length: +20\r\n",
        "content-length: 20\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "content-length : 20\r\n",
    ] {
        assert_eq!(RANDOM.len(), 20);
        let mut connection = server.connect();
        let sent = request.replace(&length, framing) + &hidden;
        let _ = connection.try_send(sent.as_bytes());
        connection.finish();
        let replies: Vec<_> = std::iter::from_fn(|| connection.receive()).collect();
        assert!(
            replies.iter().all(|reply| reply.status == 400) && replies.len() <= 1,
            "{framing:?}: {replies:?}"
        );
    }
}

#[test]
fn what_is_no_http_closes_the_connection() {
    let server = TestServer::start();
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"HELLO\r\n\r\n", b"\0\0\0\0\r\n\r\n"] {
        let mut connection = server.connect();
        connection.send(garbage);
        connection.finish();
        let replies: Vec<_> = std::iter::from_fn(|| connection.receive()).collect();
        assert!(replies.iter().all(|reply| reply.status == 400), "{garbage:?}: {replies:?}");
    }
    assert_eq!(server.connect().call(&Signer::tester(), "GenerateRandom", RANDOM).status, 200);
}

/// Stopping answers what was asked before, and does not wait for connections that ask nothing.
#[test]
fn a_stop_lets_open_calls_be_answered() {
    let server = TestServer::start();
    server.endpoint.forecast(serde_json::from_str::<Forecast>(r#"{"latency": "1s"}"#).unwrap());
    let _idle = TcpStream::connect(server.server.address()).unwrap();
    let mut half = TcpStream::connect(server.server.address()).unwrap();
    half.write_all(b"POST / HTTP/1.1\r\n").unwrap();
    let mut connection = server.connect();
    connection.send(Signer::tester().request("GenerateRandom", RANDOM).as_bytes());
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    let answered = std::thread::spawn(move || connection.receive().map(|reply| reply.status));
    server.server.stop();
    assert_eq!(answered.join().unwrap(), Some(200));
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
    let _ = half.shutdown(Shutdown::Both);
}
