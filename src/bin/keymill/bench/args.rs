//! What was typed after `keymill bench`.

#![expect(clippy::doc_markdown, reason = "the comments are the help text, shown as they are")]

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use keymill::limits::{BENCH_CONNECTIONS_MAX, BENCH_RATE_MAX};
use keymill::spec::{KeyId, Region};

use super::mix::Mix;
use super::target::Target;
use crate::args::Auth;

const EXAMPLES: &str = "\
Examples:
  keymill bench --rate 20000 --duration 30s --spec RSA_2048=30%,ECC_NIST_P256=70%
  keymill bench --endpoint http://127.0.0.1:8181 --rate 100 --spec ML_KEM_768 --json
  keymill bench --rate 5000 --plot latency.svg --answers answers.jsonl

The access key comes from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, as with any
AWS client. Latencies count from the moment a request was due: what waits because the endpoint is slow
has waited, whether or not it could be sent.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    /// Where the endpoint is
    #[arg(
        long,
        value_name = "URL",
        env = "AWS_ENDPOINT_URL_KMS",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8181"
    )]
    pub endpoint: Target,
    /// Requests a second, each sent when it is due, whatever became of those before
    #[arg(long, value_name = "N", default_value = "1000", value_parser = rate)]
    pub rate: f64,
    /// How long requests become due
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = up_to_a_day)]
    pub duration: Duration,
    /// Kinds of key pairs with their shares of the requests, which add up to 100%
    #[arg(long, value_name = "SPEC=SHARE", default_value = "ECC_NIST_P256")]
    pub spec: Mix,
    /// Connections that are kept open; a request that is due waits for one that is free
    #[arg(long, value_name = "N", default_value = "64", value_parser = connections)]
    pub connections: usize,
    /// KMS key to wrap under: key id, key ARN, alias name or alias ARN
    #[arg(long, value_name = "KEY", default_value = "alias/default")]
    pub key_id: KeyId,
    /// Whether calls are signed: sigv4, or none
    #[arg(long, value_name = "HOW", default_value = "sigv4")]
    pub auth: Auth,
    /// Region to sign for [default: AWS_REGION, else AWS_DEFAULT_REGION]
    #[arg(long, value_name = "NAME")]
    pub region: Option<Region>,
    /// How long an answer is waited for
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = up_to_a_day)]
    pub timeout: Duration,
    /// File for a drawing of the latencies by percentile, as SVG
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// File for what became of each request, public key and blob included, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= BENCH_RATE_MAX);
    rate.ok_or_else(|| format!("requests a second are a number above 0, at most {BENCH_RATE_MAX}"))
}

fn connections(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=BENCH_CONNECTIONS_MAX).contains(count));
    count.ok_or_else(|| format!("a number from 1 to {BENCH_CONNECTIONS_MAX} is needed"))
}

/// A time such as `30s` or `5m`.
fn up_to_a_day(text: &str) -> Result<Duration, String> {
    let fits = SignedDuration::from_millis(1)..=SignedDuration::from_hours(24);
    let found = text.parse::<SignedDuration>().ok().filter(|found| fits.contains(found));
    let found = found.map(SignedDuration::unsigned_abs);
    found.ok_or_else(|| "a time such as 30s or 5m is needed, 1ms to 24h".to_owned())
}
