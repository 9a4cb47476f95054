//! `keymill bench`: asks an endpoint for key pairs at a fixed rate, and tells how long the answers
//! take.
//!
//! ```text
//! args      what is wanted: mix, target
//! schedule  what is due, whatever became of what was due before
//! link      request out, answer in            as many as there are connections, on one thread
//! tally     how many, which end, how long     answers: one by one, if that is wanted
//! report    text or JSON                      plot: a drawing
//! ```

mod answers;
pub mod args;
mod link;
mod load;
mod mix;
mod plot;
mod report;
mod schedule;
mod tally;
mod target;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use keymill::kms::{Signer, TlsTrust};
use keymill::secret::Secret;
use keymill::spec::Region;
use keymill::sys::clock::process_nanoseconds;

use crate::args::{Arguments, Auth};
use crate::failure::{Code, Failure};
use crate::latencies::publish;
use crate::output;

use answers::Answers;
use args::Bench;
use report::Report;

pub fn run(arguments: &Arguments, wanted: &Bench) -> Result<(), Failure> {
    let signer = match wanted.auth {
        Auth::None => None,
        Auth::Sigv4 => Some(signer(wanted.region.clone())?),
    };
    let trust = if wanted.endpoint.is_encrypted { Some(trust()?) } else { None };
    let answers = wanted.answers.as_deref().map(Answers::create).transpose()?;
    let outcome = load::run(wanted, signer, trust, answers)?;
    let cpu = Duration::from_nanos(process_nanoseconds());
    let report = Report::new(wanted, &outcome, cpu);
    if let Some(path) = &wanted.plot {
        let title = format!(
            "{} requests a second at {}: from due to answered",
            wanted.rate, wanted.endpoint
        );
        publish(path, &plot::plot(&title, &outcome.tally))?;
    }
    output::report(arguments.json, &report, Report::text)
}

/// What signs, from the variables that every AWS client reads.
fn signer(region: Option<Region>) -> Result<Signer, Failure> {
    let access_key_id = variable("AWS_ACCESS_KEY_ID")?;
    let secret = variable("AWS_SECRET_ACCESS_KEY")?;
    let needed = "calls must be signed, unless the endpoint takes --auth none";
    let (Some(access_key_id), Some(secret)) = (access_key_id, secret.map(Secret::new)) else {
        let message = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set";
        return Err(Failure::new(Code::BadConfiguration, message).hint(needed));
    };
    let token = variable("AWS_SESSION_TOKEN")?;
    let region = match region {
        Some(region) => region,
        None => region_of_environment()?,
    };
    Signer::new(access_key_id, secret, token.as_deref(), region)
        .map_err(|error| Failure::new(Code::BadConfiguration, error))
}

fn region_of_environment() -> Result<Region, Failure> {
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if let Some(text) = variable(name)? {
            let unfit = |error| Failure::new(Code::BadConfiguration, format!("{name}: {error}"));
            return text.parse().map_err(unfit);
        }
    }
    Err(Failure::new(Code::BadConfiguration, "it is not said for which Region to sign")
        .hint("set AWS_REGION, or give --region"))
}

/// Whom to trust, from the file that AWS clients read.
fn trust() -> Result<TlsTrust, Failure> {
    let Some(path) = variable("AWS_CA_BUNDLE")?.map(PathBuf::from) else {
        let message = "it is not said which certificates to trust";
        return Err(Failure::new(Code::BadConfiguration, message)
            .hint("set AWS_CA_BUNDLE to a PEM file with the endpoint's, or its authority's"));
    };
    TlsTrust::load(&path).map_err(Failure::from)
}

/// An environment variable; one that is empty is as good as none.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            Err(Failure::new(Code::BadConfiguration, format!("{name} is not UTF-8")))
        }
    }
}
