//! How long a request lasts through the ring, and through a Unix socket to a thread that does the
//! same work.
//!
//! ```sh
//! cargo run --release --example door_latency -- --spec RSA_4096 --calls 1000 --rate 200
//! ```
//!
//! First calls at fixed moments (open loop) from a warm pool, while producers refill it on every
//! core; the time is that of the call, sealing included. Ring and socket take turns, call by call.
//! Then calls one after the other, and, through the ring, sixteen at a time: those of
//! `--fast-spec`, so that pools keep up, and dry runs, which need none.
//!
//! The socket carries a request of 64 bytes and an answer of the same size as the ring's; its
//! thread blocks in `read`, as servers do.

#![expect(clippy::print_stdout, reason = "its report")]
#![expect(clippy::unwrap_used, reason = "what a measurement cannot do without ends it")]

use core::net::{IpAddr, Ipv4Addr};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use keymill::crypto::drbg::Drbg;
use keymill::crypto::seal::{Contexts, seal_batch};
use keymill::door::{CallError, Client, Door, Hall, Request};
use keymill::keystore::{Keystore, OpenOptions, ServedKeystore, ServedPrincipal};
use keymill::pipeline::authorize::{Caller, KeyUse, Via, access};
use keymill::pipeline::source::{KeyPairSource, PooledSource};
use keymill::pool::{EmptyPool, PoolOptions, Pools};
use keymill::spec::{EncryptionContext, KeyPairSpec, Operation};
use keymill::sys::features::{Backend, BackendChoice};
use keymill::sys::priority::be_prompt;

#[derive(Debug, Parser)]
struct Arguments {
    /// What is asked for at fixed moments
    #[arg(long, default_value = "RSA_4096")]
    spec: KeyPairSpec,
    /// Calls at fixed moments, half of them through the socket
    #[arg(long, default_value_t = 1000)]
    calls: usize,
    /// Calls a second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// What is asked for without a pause
    #[arg(long, default_value = "ECC_NIST_P256")]
    fast_spec: KeyPairSpec,
    /// Calls without a pause, each way
    #[arg(long, default_value_t = 20_000)]
    fast_calls: usize,
}

const KEY: &str = "alias/default";

fn main() {
    let arguments = Arguments::parse();
    // As the ring's own thread: a client that counts microseconds is well advised to.
    assert!(be_prompt(), "the kernel grants a short slice");
    let (folder, keystore) = keystore();
    let backend = BackendChoice::Auto.select().unwrap();
    let kept = [(arguments.spec, arguments.calls), (arguments.fast_spec, 1 << 16)];
    let pools = Arc::new(Pools::start(&PoolOptions::of_every_spec(&kept, backend)).unwrap());
    while pools.status()[..2].iter().any(|pool| pool.ready + pool.depth < pool.marks.high()) {
        thread::sleep(Duration::from_millis(50));
    }
    let policy = EmptyPool::Wait(Duration::from_mins(1));
    let source: Arc<dyn KeyPairSource> = Arc::new(PooledSource::new(Arc::clone(&pools), policy));
    let path = folder.join("ring");
    let door = Door::open(&path, Hall::new(Arc::clone(&keystore), Arc::clone(&source))).unwrap();
    let mut ring = Client::connect(&path).unwrap();
    let (socket, theirs) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || serve_socket(theirs, &keystore, &*source));
    paced(&arguments, &mut ring, &socket, &pools);
    unpaced(&arguments, &mut ring, &socket);
    drop((ring, socket, door));
    server.join().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

/// A keystore in a folder of its own.
fn keystore() -> (PathBuf, Arc<ServedKeystore>) {
    let folder = std::env::temp_dir().join(format!("keymill-door-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let keystore = Keystore::init(&folder.join("home"), OpenOptions::default()).unwrap();
    (folder, Arc::new(ServedKeystore::new(keystore).unwrap()))
}

/// Calls at fixed moments, through ring and socket by turns.
fn paced(arguments: &Arguments, ring: &mut Client, socket: &UnixStream, pools: &Pools) {
    let context = context();
    let spec = arguments.spec;
    let request = Request { key_id: KEY, spec, context: &context, dry_run: false };
    let mut times = [Vec::new(), Vec::new()];
    let made = pools.status()[0].made;
    let (period, begun) = (Duration::from_secs(1) / arguments.rate, Instant::now());
    for number in 0..arguments.calls {
        let moment = begun + period * u32::try_from(number).unwrap();
        thread::sleep(moment.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        if number % 2 == 0 {
            ring.call(&request).unwrap();
        } else {
            call_socket(socket, spec);
        }
        times[number % 2].push(start.elapsed());
    }
    let made = pools.status()[0].made - made;
    println!(
        "{} calls of {spec}, {} a second, {made} made meanwhile",
        arguments.calls, arguments.rate
    );
    println!("us            p50      p99    p99.9      max");
    for (name, times) in ["ring", "socket"].into_iter().zip(&mut times) {
        times.sort_unstable();
        let at = |per_mille: usize| {
            times[(times.len() * per_mille).div_ceil(1000).max(1) - 1].as_secs_f64() * 1e6
        };
        println!("{name:8}{:9.1}{:9.1}{:9.1}{:9.1}", at(500), at(990), at(999), at(1000));
    }
}

/// Calls without a pause.
fn unpaced(arguments: &Arguments, ring: &mut Client, socket: &UnixStream) {
    let context = context();
    let spec = arguments.fast_spec;
    let request = Request { key_id: KEY, spec, context: &context, dry_run: false };
    let dry = Request { dry_run: true, ..request };
    let rate = |name: &str, call: &mut dyn FnMut()| {
        let begun = Instant::now();
        (0..arguments.fast_calls).for_each(|_| call());
        let rate = arguments.fast_calls as f64 / begun.elapsed().as_secs_f64();
        println!("{name:40}{rate:12.0} calls/s");
    };
    println!("{} calls of {spec} without a pause", arguments.fast_calls);
    rate("socket, one at a time", &mut || call_socket(socket, spec));
    rate("ring, one at a time", &mut || {
        ring.call(&request).unwrap();
    });
    rate("ring, sixteen at a time", &mut || pipelined(ring, &request));
    while ring.on_their_way() > 0 {
        ring.receive().unwrap();
    }
    rate("ring, dry runs, one at a time", &mut || {
        assert!(matches!(ring.call(&dry), Err(CallError::Refused(_))));
    });
}

/// Sends one request, and receives the earliest answer if there is no room for more.
fn pipelined(ring: &mut Client, request: &Request<'_>) {
    while let Err(error) = ring.send(request) {
        assert_eq!(error, CallError::Full);
        ring.receive().unwrap();
    }
}

fn context() -> EncryptionContext {
    EncryptionContext::from_pairs([("serial", "SN-000001")]).unwrap()
}

/// Bytes of a request through the socket.
const REQUEST: usize = 64;
/// Bytes of an answer, as a slot of the ring has.
const ANSWER: usize = 4096;

fn call_socket(mut socket: &UnixStream, spec: KeyPairSpec) {
    socket.write_all(&[spec.code(); REQUEST]).unwrap();
    socket.read_exact(&mut [0; ANSWER]).unwrap();
}

/// The work of the ring's thread, request after request.
fn serve_socket(mut socket: UnixStream, keystore: &ServedKeystore, source: &dyn KeyPairSource) {
    let scope = keystore.scope().clone();
    let caller = Caller::new(Arc::new(ServedPrincipal::root(&scope)), scope);
    let mut drbg = Drbg::from_system().unwrap();
    let mut request = [0; REQUEST];
    while socket.read_exact(&mut request).is_ok() {
        let spec = KeyPairSpec::from_code(request[0]).unwrap();
        let context = context();
        let snapshot = keystore.snapshot();
        let wanted = KeyUse {
            action: Operation::GenerateDataKeyPairWithoutPlaintext.into(),
            caller: &caller,
            via: Via {
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                is_encrypted: true,
                user_agent: None,
            },
            key_id: KEY,
            spec: Some(spec),
            context: Some(&context),
            grant_tokens: &[],
            members: &[],
            makes: None,
        };
        let permit = access(&snapshot, &wanted).unwrap().to_wrap().unwrap();
        let batch = source.take(spec).unwrap();
        drbg.reseed().unwrap();
        let contexts = Contexts { head: &[], rest: |_, aad: &mut Vec<u8>| context.encode(aad) };
        let wrapped = seal_batch(permit.key(), Backend::Portable, &mut drbg, batch, contexts);
        let mut answer = [0; ANSWER];
        let (public, blob) = (wrapped.public_key(0), wrapped.blob(0));
        answer[..public.len()].copy_from_slice(public);
        answer[public.len()..][..blob.len()].copy_from_slice(blob);
        socket.write_all(&answer).unwrap();
    }
}
