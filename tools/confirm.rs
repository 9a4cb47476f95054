//! RSA keys for others to judge: PKCS#8 in hexadecimal, one key a line.
//!
//! ```text
//! cargo run --release --example confirm -- RSA_2048 10000 > keys.txt
//! python3 tools/confirm.py keys.txt
//! ```
//!
//! Arguments: spec, number of keys, and `portable` or `ifma` to force a backend. The Python side
//! has the judges: GMP, OpenSSL, and the laws of FIPS 186-5.

use std::io::{self, Write};

use keymill::crypto::drbg::Drbg;
use keymill::crypto::{KeyPairBatch, engine};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::BackendChoice;

/// Keys made between two lines of output.
const BATCH: usize = 32;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next();
    let spec: KeyPairSpec = next().expect("a spec").parse().expect("a spec, such as RSA_2048");
    let mut left: usize = next().expect("a number of keys").parse().expect("a number of keys");
    let choice = match next().as_deref() {
        Some("portable") => BackendChoice::Portable,
        Some("ifma") => BackendChoice::Ifma,
        _ => BackendChoice::Auto,
    };
    let backend = choice.select().expect("a CPU that has the backend");
    let mut engine = engine(spec, backend);
    let mut drbg = Drbg::from_system().expect("entropy");
    let mut batch = KeyPairBatch::with_capacity(spec, BATCH);
    let mut out = io::BufWriter::new(io::stdout().lock());
    eprintln!("{left} keys of {spec}, backend {backend}");
    while left > 0 {
        let rows = left.min(BATCH);
        batch.clear();
        engine.generate(&mut drbg, &mut batch, rows).expect("a sound machine");
        for row in 0..rows {
            for byte in batch.private_key(row) {
                write!(out, "{byte:02x}")?;
            }
            writeln!(out)?;
        }
        left -= rows;
    }
    out.flush()
}
