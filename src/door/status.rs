//! The status of a running server, for whoever connects to a Unix socket: one line of JSON, and the
//! connection ends.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use serde::{Deserialize, Serialize};

use crate::pool::{PoolStatus, Pools, ProducerStatus};
use crate::sys::listener::Listener;

/// How often the thread looks whether it is still needed.
const PULSE: Duration = Duration::from_millis(100);

/// How long a slow reader is waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// Longest status that is read.
const STATUS_BYTES_MAX: u64 = 1 << 20;

/// What a server's pools and producers are like at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Seconds since the server was started.
    pub seconds: f64,
    /// The pools in use.
    pub pools: Vec<PoolLine>,
    /// The producers, in the order of their cores.
    pub producers: Vec<ProducerLine>,
}

/// One pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolLine {
    /// What it holds.
    pub spec: String,
    /// Finished pairs.
    pub ready: u64,
    /// Pairs of primes behind them.
    pub primes: u64,
    /// Refilling begins below so many.
    pub low: u64,
    /// Refilling ends at so many.
    pub high: u64,
    /// Pairs finished since the start.
    pub made: u64,
    /// Pairs handed out since the start.
    pub taken: u64,
    /// What its memory is.
    pub memory: Option<String>,
    /// Why no more pairs are made, if so.
    pub failure: Option<String>,
    /// The search for its primes, if it is of RSA.
    pub search: Option<SearchLine>,
}

/// How a search for primes goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SearchLine {
    /// Numbers put to a Fermat test.
    pub tested: u64,
    /// Primes found among them.
    pub primes: u64,
    /// How many tests a prime should take on average.
    pub expected_tests_a_prime: f64,
}

/// One producer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProducerLine {
    /// Pairs finished since the start.
    pub made: u64,
    /// Processor time used, in seconds.
    pub cpu_seconds: f64,
    /// Page faults since it last began with a new spec.
    pub faults: u64,
    /// Times it waited for something, since then.
    pub voluntary_switches: u64,
    /// Times its core was taken from it, since then.
    pub preemptions: u64,
}

impl Status {
    /// Reads the status of the server that listens at `path`.
    pub fn of_server(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        let socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.take(STATUS_BYTES_MAX).read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }

    fn of(pools: &Pools, seconds: f64) -> Self {
        let status = pools.status();
        Self {
            seconds,
            pools: status.iter().filter(|pool| pool.is_wanted).map(PoolLine::of).collect(),
            producers: pools.producer_status().iter().map(ProducerLine::of).collect(),
        }
    }
}

impl PoolLine {
    fn of(pool: &PoolStatus) -> Self {
        let search = pool.expected_tests.map(|expected_tests_a_prime| SearchLine {
            tested: pool.tested,
            primes: pool.primes,
            expected_tests_a_prime,
        });
        Self {
            spec: pool.spec.to_string(),
            ready: pool.ready as u64,
            primes: pool.depth as u64,
            low: pool.marks.low as u64,
            high: pool.marks.high() as u64,
            made: pool.made,
            taken: pool.taken,
            memory: pool.protection.map(|protection| protection.to_string()),
            failure: pool.failure.map(|failure| failure.to_string()),
            search,
        }
    }
}

impl ProducerLine {
    fn of(producer: &ProducerStatus) -> Self {
        let ProducerStatus { made, cpu_time, since_warm } = *producer;
        Self {
            made,
            cpu_seconds: cpu_time.as_secs_f64(),
            faults: since_warm.faults,
            voluntary_switches: since_warm.voluntary_switches,
            preemptions: since_warm.preemptions,
        }
    }
}

/// Tells the status until it is dropped.
#[derive(Debug)]
pub struct StatusDoor {
    is_stopping: Arc<AtomicBool>,
    teller: Option<JoinHandle<()>>,
}

impl StatusDoor {
    /// Tells the status of `pools` at the Unix socket `path`.
    pub fn open(path: &Path, pools: Arc<Pools>) -> io::Result<Self> {
        let listener = Listener::bind(path)?;
        let is_stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_stopping);
        let begun = std::time::Instant::now();
        let teller = thread::Builder::new().name("keymill-status".to_owned()).spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                match listener.accept(PULSE) {
                    // A reader that goes away, or does not read, is not waited for.
                    Ok(Some(reader)) => {
                        let _ = tell(reader, &Status::of(&pools, begun.elapsed().as_secs_f64()));
                    }
                    Ok(None) => {}
                    Err(_) => thread::sleep(PULSE),
                }
            }
        })?;
        Ok(Self { is_stopping, teller: Some(teller) })
    }
}

fn tell(mut reader: UnixStream, status: &Status) -> io::Result<()> {
    reader.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(status)?;
    line.push(b'\n');
    reader.write_all(&line)
}

impl Drop for StatusDoor {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        if let Some(teller) = self.teller.take() {
            // A thread that panicked has nobody left to tell.
            let _ = teller.join();
        }
    }
}
