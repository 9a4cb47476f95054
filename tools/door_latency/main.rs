//! How long a request lasts through the ring, and through a Unix socket to a thread that does the
//! same work; with the feature `peers`, through iceoryx2 as well.
//!
//! ```sh
//! cargo run --release --example door_latency -- --spec RSA_4096 --calls 1000 --rate 200
//! cargo run --release --features peers --example door_latency -- --calls 1500
//! ```
//!
//! First calls at fixed moments (open loop) from a warm pool, while producers refill it on every
//! core; the time is that of the call, sealing included. The contenders take turns, call by call.
//! Then calls one after the other, and, where several may be on their way, sixteen at a time: those
//! of `--fast-spec`, so that pools keep up, and, through the ring, dry runs, which need none.
//!
//! Socket and iceoryx2 carry a request of 64 bytes and an answer of the same size as the ring's.
//! iceoryx2 comes twice (see `iceoryx`): its sides sleep until they are notified, or they poll. A
//! server that polls takes a core from everybody: the calls at fixed moments are made once beside
//! each, ring and socket included, and of the others none is measured beside one that polls.
#![expect(unreachable_pub, reason = "a program exports nothing; `pub` means: to its other files")]
#![expect(clippy::print_stdout, reason = "its report")]
#![expect(clippy::unwrap_used, reason = "what a measurement cannot do without ends it")]

#[cfg(feature = "peers")]
mod iceoryx;
mod socket;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use keymill::door::{CallError, Client, Door, Hall, Request};
use keymill::keystore::{Keystore, OpenOptions, ServedKeystore};
use keymill::pipeline::source::{KeyPairSource, PooledSource};
use keymill::pool::{EmptyPool, PoolOptions, Pools};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::BackendChoice;
use keymill::sys::priority::be_prompt;

#[cfg(feature = "peers")]
use crate::iceoryx::{Manner, Rival};
use crate::socket::Socket;
use crate::work::{KEY, Work, context};

#[derive(Debug, Parser)]
struct Arguments {
    /// What is asked for at fixed moments
    #[arg(long, default_value = "RSA_4096")]
    spec: KeyPairSpec,
    /// Calls at fixed moments, shared out among the contenders
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

/// How often calls are made at fixed moments.
const PASSES: usize = if cfg!(feature = "peers") { 2 } else { 1 };

fn main() {
    let arguments = Arguments::parse();
    // As the ring's own thread: a client that counts microseconds is well advised to.
    assert!(be_prompt(), "the kernel grants a short slice");
    let (folder, keystore) = keystore();
    let backend = BackendChoice::Auto.select().unwrap();
    let kept = [(arguments.spec, PASSES * arguments.calls), (arguments.fast_spec, 1 << 16)];
    let pools = Arc::new(Pools::start(&PoolOptions::of_every_spec(&kept, backend)).unwrap());
    while pools.status()[..2].iter().any(|pool| pool.ready + pool.depth < pool.marks.high()) {
        thread::sleep(Duration::from_millis(50));
    }
    let policy = EmptyPool::Wait(Duration::from_mins(1));
    let source: Arc<dyn KeyPairSource> = Arc::new(PooledSource::new(Arc::clone(&pools), policy));
    let path = folder.join("ring");
    let door = Door::open(&path, Hall::new(Arc::clone(&keystore), Arc::clone(&source))).unwrap();
    let mut ring = Client::connect(&path).unwrap();
    let work = || Work::new(&keystore, &source);
    let socket = Socket::start(work());
    #[cfg(not(feature = "peers"))]
    paced(&arguments, &pools, &mut ring, &socket, None);
    #[cfg(feature = "peers")]
    for manner in Manner::ALL {
        let mut rival = Rival::start(manner, &folder, work());
        let by_rival = Box::new(|| rival.call(arguments.spec));
        paced(&arguments, &pools, &mut ring, &socket, Some((manner.name(), by_rival)));
        rival.end();
    }
    unpaced(&arguments, &mut ring, &socket);
    #[cfg(feature = "peers")]
    for manner in Manner::ALL {
        let mut rival = Rival::start(manner, &folder, work());
        unpaced_rival(&arguments, manner, &mut rival);
        rival.end();
    }
    drop((ring, door));
    socket.end();
    std::fs::remove_dir_all(folder).unwrap();
}

/// A keystore in a folder of its own.
fn keystore() -> (PathBuf, Arc<ServedKeystore>) {
    let folder = std::env::temp_dir().join(format!("keymill-door-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let keystore = Keystore::init(&folder.join("home"), OpenOptions::default()).unwrap();
    (folder, Arc::new(ServedKeystore::new(keystore).unwrap()))
}

/// A way to a server and back, and its name.
type Contender<'c> = (&'static str, Box<dyn FnMut() + 'c>);

/// Calls at fixed moments, through ring, socket and the rival, if there is one, by turns.
fn paced(
    arguments: &Arguments,
    pools: &Pools,
    ring: &mut Client,
    socket: &Socket,
    rival: Option<Contender<'_>>,
) {
    let (spec, context) = (arguments.spec, context());
    let request = Request { key_id: KEY, spec, context: &context, dry_run: false };
    let by_ring = || {
        ring.call(&request).unwrap();
    };
    let by_socket = || socket.call(spec);
    let mut contenders: Vec<Contender<'_>> =
        vec![("ring", Box::new(by_ring)), ("socket", Box::new(by_socket))];
    contenders.extend(rival);
    let made = pools.status()[0].made;
    let times = by_turns(arguments, &mut contenders);
    let made = pools.status()[0].made - made;
    println!(
        "{} calls of {spec}, {} a second, {made} made meanwhile",
        arguments.calls, arguments.rate
    );
    println!("us                      p50      p99    p99.9      max");
    for ((name, _), times) in contenders.iter().zip(times) {
        print_times(name, times);
    }
}

/// How long the calls of each contender lasted.
fn by_turns(arguments: &Arguments, contenders: &mut [Contender<'_>]) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::new(); contenders.len()];
    let (period, begun) = (Duration::from_secs(1) / arguments.rate, Instant::now());
    for number in 0..arguments.calls {
        let turn = number % contenders.len();
        let moment = begun + period * u32::try_from(number).unwrap();
        thread::sleep(moment.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        contenders[turn].1();
        times[turn].push(start.elapsed());
    }
    times
}

fn print_times(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |per_mille: usize| {
        times[(times.len() * per_mille).div_ceil(1000).max(1) - 1].as_secs_f64() * 1e6
    };
    println!("{name:18}{:9.1}{:9.1}{:9.1}{:9.1}", at(500), at(990), at(999), at(1000));
}

/// Calls without a pause.
fn unpaced(arguments: &Arguments, ring: &mut Client, socket: &Socket) {
    let (spec, context) = (arguments.fast_spec, context());
    let request = Request { key_id: KEY, spec, context: &context, dry_run: false };
    let dry = Request { dry_run: true, ..request };
    let calls = arguments.fast_calls;
    println!("{calls} calls of {spec} without a pause");
    print_rate(calls, "socket, one at a time", || socket.call(spec));
    print_rate(calls, "ring, one at a time", || {
        ring.call(&request).unwrap();
    });
    print_rate(calls, "ring, sixteen at a time", || pipelined(ring, &request));
    while ring.on_their_way() > 0 {
        ring.receive().unwrap();
    }
    print_rate(calls, "ring, dry runs, one at a time", || {
        assert!(matches!(ring.call(&dry), Err(CallError::Refused(_))));
    });
}

/// Calls of the rival without a pause.
#[cfg(feature = "peers")]
fn unpaced_rival(arguments: &Arguments, manner: Manner, rival: &mut Rival) {
    let (calls, spec, name) = (arguments.fast_calls, arguments.fast_spec, manner.name());
    print_rate(calls, &format!("{name}, one at a time"), || rival.call(spec));
    print_rate(calls, &format!("{name}, sixteen at a time"), || rival.pipelined(spec));
    rival.settle();
}

fn print_rate(calls: usize, name: &str, mut call: impl FnMut()) {
    let begun = Instant::now();
    (0..calls).for_each(|_| call());
    let rate = calls as f64 / begun.elapsed().as_secs_f64();
    println!("{name:40}{rate:12.0} calls/s");
}

/// Sends one request, and receives the earliest answer if there is no room for more.
fn pipelined(ring: &mut Client, request: &Request<'_>) {
    while let Err(error) = ring.send(request) {
        assert_eq!(error, CallError::Full);
        ring.receive().unwrap();
    }
}
