//! The profile as text.

use std::fmt;

use serde::Serialize;

use crate::kernel_cost::KernelCost;
use crate::machine::Machine;
use crate::stages::Profile;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub profiles: Vec<Profile>,
    /// 512-bit multiply-adds; absent where the backend has none.
    pub madds_per_ns: Option<f64>,
    pub kernel: Vec<KernelCost>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.machine)?;
        self.profiles.iter().try_for_each(|profile| write!(f, "\n{profile}"))?;
        let Some(rate) = self.madds_per_ns else { return Ok(()) };
        let per_cycle = rate / self.machine.ghz[1];
        writeln!(f, "\nvector ports: {rate:.2} madd52 of 512 bits a ns, {per_cycle:.2} a cycle")?;
        writeln!(
            f,
            "{:30}{:>12}{:>10}{:>8}{:>8}{:>13}{:>8}{:>10}",
            "", "ns a lane", "madds", "shifts", "others", "ports need", "share", "madds'"
        )?;
        for cost in &self.kernel {
            let operations = cost.operations;
            writeln!(
                f,
                "{:30}{:>12.1}{:>10}{:>8}{:>8}{:>13.1}{:>6.1} %{:>8.1} %",
                format!("{} bits, {}", cost.bits, cost.operation),
                cost.ns_per_lane,
                operations.madds,
                operations.shifts,
                operations.others,
                cost.bound_ns_per_lane,
                100.0 * cost.port_share(),
                100.0 * cost.madd_share()
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec, backend, keys, us_per_key, stages, candidates: c, one_key } = self;
        let rate = 1e6 / us_per_key;
        writeln!(
            f,
            "{spec} on {backend}: {keys} keys, {us_per_key:.0} us a key, {rate:.1} a second"
        )?;
        for stage in stages {
            let (us, percent) = (stage.ns_per_prime / 1e3, 100.0 * stage.share);
            writeln!(f, "  {:28}{us:>10.1} us a prime{percent:>7.1} %", stage.name)?;
        }
        writeln!(
            f,
            "  candidates coprime to all primes up to {}, divided by those up to {}",
            c.coprime_to, c.divided_to
        )?;
        writeln!(
            f,
            "  {:.1} % survive (theory {:.1} %); {:.1} Fermat tests a prime (theory {:.1})",
            100.0 * c.survivors,
            100.0 * c.survivors_theory,
            c.tests,
            c.tests_theory
        )?;
        writeln!(
            f,
            "  a Fermat test is {:.1} us, a Miller-Rabin round {:.2} tests; {:.1} rounds a prime",
            c.us_per_test, c.round_in_tests, c.rounds
        )?;
        writeln!(
            f,
            "  one key wanted alone: p50 {:.0} us ({:.2} of a key in a batch), p99 {:.0} us, mean {:.0} us; \
             {} keys",
            one_key.p50_us,
            one_key.p50_us / us_per_key,
            one_key.p99_us,
            one_key.mean_us,
            one_key.keys
        )
    }
}
