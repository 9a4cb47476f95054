//! `keymill top`: what a running server's pools and producers do, second by second.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use keymill::door::Status;

use crate::args::{Arguments, Top};
use crate::failure::{Code, Failure};
use crate::home;
use crate::output::grouped;

/// Name of the socket in the keystore's folder at which `serve` tells its status.
pub const SOCKET: &str = "status.sock";

const PERIOD: Duration = Duration::from_secs(1);

/// Moves the cursor to the top and clears what is below.
const HOME_AND_CLEAR: &str = "\x1b[H\x1b[J";

pub fn run(arguments: &Arguments, wanted: &Top) -> Result<(), Failure> {
    let path = home::path(arguments)?.join(SOCKET);
    let is_screen = io::stdout().is_terminal() && !arguments.json;
    let mut before = read(&path)?;
    let mut left = wanted.count.unwrap_or(u64::MAX);
    while left > 0 {
        sleep(PERIOD);
        let now = read(&path)?;
        let text = if arguments.json {
            serde_json::to_string(&now).map_err(|error| Failure::new(Code::Internal, error))?
        } else if is_screen {
            format!("{HOME_AND_CLEAR}{}", screen(&before, &now))
        } else {
            line(&before, &now)
        };
        // A reader that has gone has seen enough.
        if writeln!(io::stdout(), "{text}").is_err() {
            return Ok(());
        }
        before = now;
        left -= 1;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Status, Failure> {
    Status::of_server(path).map_err(|error| {
        Failure::new(
            Code::Unavailable,
            format!("no server tells its status at {}: {error}", path.display()),
        )
        .hint("keymill serve with the same --home must be running")
    })
}

/// Pairs made a second between two looks.
fn rate(before: u64, now: u64, times: (&Status, &Status)) -> f64 {
    let seconds = (times.1.seconds - times.0.seconds).max(0.001);
    now.saturating_sub(before) as f64 / seconds
}

/// Everything, for a terminal.
fn screen(before: &Status, now: &Status) -> String {
    let mut text = format!("keymill serve, up {:.0} s\n\n", now.seconds);
    text += "pool                        ready   primes      low     high   made/s  taken/s  \
             tests/prime  memory\n";
    for pool in &now.pools {
        let old = before.pools.iter().find(|old| old.spec == pool.spec).unwrap_or(pool);
        let tests = pool.search.as_ref().filter(|search| search.primes > 0).map_or_else(
            || "-".to_owned(),
            |search| {
                let tests = search.tested as f64 / search.primes as f64;
                format!("{tests:.1} of {:.1}", search.expected_tests_a_prime)
            },
        );
        let (made, taken) =
            (rate(old.made, pool.made, (before, now)), rate(old.taken, pool.taken, (before, now)));
        let memory = pool.failure.as_deref().or(pool.memory.as_deref()).unwrap_or("-");
        text += &format!(
            "{:24}{:>9}{:>9}{:>9}{:>9}{made:>9.0}{taken:>9.0}{tests:>13}  {memory}\n",
            pool.spec,
            grouped(pool.ready),
            grouped(pool.primes),
            grouped(pool.low),
            grouped(pool.high),
        );
    }
    text += "\nproducer   made/s     busy   since warm: faults    waits  preemptions\n";
    for (number, producer) in now.producers.iter().enumerate() {
        let old = before.producers.get(number).unwrap_or(producer);
        let seconds = (now.seconds - before.seconds).max(0.001);
        let busy = 100.0 * (producer.cpu_seconds - old.cpu_seconds) / seconds;
        text += &format!(
            "{number:8}{:>9.0}{busy:>8.0}%{:>21}{:>9}{:>13}\n",
            rate(old.made, producer.made, (before, now)),
            grouped(producer.faults),
            grouped(producer.voluntary_switches),
            grouped(producer.preemptions),
        );
    }
    text
}

/// The same, shortly, for a file.
fn line(before: &Status, now: &Status) -> String {
    let pools = now.pools.iter().map(|pool| {
        let old = before.pools.iter().find(|old| old.spec == pool.spec).unwrap_or(pool);
        let made = rate(old.made, pool.made, (before, now));
        format!("{} {}/{} (+{made:.0}/s)", pool.spec, pool.ready + pool.primes, pool.high)
    });
    let pools: Vec<String> = pools.collect();
    let faults: u64 = now.producers.iter().map(|producer| producer.faults).sum();
    let pools = if pools.is_empty() { "no pool in use".to_owned() } else { pools.join(", ") };
    format!("{:.0} s: {pools}; {faults} faults since warm", now.seconds)
}
