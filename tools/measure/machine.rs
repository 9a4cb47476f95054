//! `Machine`: what a number was measured on, printed with every report.

use std::fmt;

use keymill::sys::affinity;
use keymill::sys::features::BackendChoice;
use serde::Serialize;

use crate::stopwatch::core_ghz;

/// The core, its clock, and what the program was compiled for.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// As the kernel names it.
    cpu: String,
    /// The core this thread is pinned to.
    core: Option<usize>,
    /// Clock of that core when the run began and when it ended.
    pub ghz: [f64; 2],
    /// The backend keymill chooses here by itself.
    backend: &'static str,
    /// Instructions the compiler was allowed to use everywhere.
    compiled_for: &'static str,
}

impl Machine {
    /// Pins this thread to `core`, by default the last one it may use, and looks around.
    pub fn pin(core: Option<usize>) -> Self {
        let core = core.or_else(|| affinity::allowed_cores().last().copied());
        let backend = BackendChoice::Auto.select().map_or("none", |backend| backend.name());
        let core = core.filter(|&core| affinity::pin_to(core));
        let ghz = core_ghz();
        Self { cpu: cpu_name(), core, ghz: [ghz; 2], backend, compiled_for: compiled_for() }
    }

    /// Measures the clock again, at the end of the run.
    pub fn finish(&mut self) {
        self.ghz[1] = core_ghz();
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.core.map_or("no fixed core".to_owned(), |core| format!("core {core}"));
        let [before, after] = self.ghz;
        writeln!(f, "machine   {}, {core}, {before:.2} GHz before and {after:.2} after", self.cpu)?;
        writeln!(f, "backend   {}, compiled for {}", self.backend, self.compiled_for)?;
        writeln!(f, "clock     CPU time of one thread")
    }
}

/// Model name, with the numbers that tell steppings apart.
fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.split(':').next().map(str::trim) == Some(name));
        line.and_then(|line| line.split(':').nth(1)).map_or("?", str::trim).to_owned()
    };
    format!(
        "{} (family {} model {} stepping {})",
        field("model name"),
        field("cpu family"),
        field("model"),
        field("stepping")
    )
}

/// The step of x86-64 that the compiler was told to assume.
const fn compiled_for() -> &'static str {
    if cfg!(target_feature = "avx512ifma") {
        "this CPU (AVX-512 IFMA everywhere)"
    } else if cfg!(target_feature = "avx512f") {
        "AVX-512"
    } else if cfg!(target_feature = "avx2") {
        "AVX2"
    } else {
        "any CPU of the architecture"
    }
}
