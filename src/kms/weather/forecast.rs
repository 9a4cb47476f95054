//! `Forecast`: the weather as it is asked for, on the command line or at the admin address.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::chance::Chance;
use super::fault::Fault;
use super::latency::Latency;
use super::quota::Quotas;

/// What is to come. As JSON it has a text in the language of the flag for each member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Texts", into = "Texts")]
pub struct Forecast {
    /// Calls a second that are let through.
    pub quotas: Quotas,
    /// Exceptions in place of the work; their chances add up to 100 % at most.
    pub faults: Vec<Fault>,
    /// How long an answer takes at least.
    pub latency: Latency,
    /// How often an answer is lost after the work was done.
    pub drop: Chance,
    /// What decides which requests are met.
    pub seed: u64,
}

impl Forecast {
    /// Whether no request is met by chance.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        let Self { faults, latency, drop, .. } = self;
        faults.is_empty() && *drop == Chance::NEVER && *latency == Latency::None
    }

    /// Checks what the parts cannot tell alone.
    pub fn check(&self) -> Result<(), ForecastError> {
        let percent: f64 = self.faults.iter().map(|fault| fault.chance.percent()).sum();
        if percent <= 100.0 + 1e-9 {
            return Ok(());
        }
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        let mend = format!("the chances add up to {percent}%, 100% are the most");
        Err(ForecastError::new(&faults.join(", "), mend))
    }
}

/// A forecast as JSON has it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Texts {
    quotas: Option<String>,
    faults: Vec<String>,
    latency: Option<String>,
    drop: Option<String>,
    seed: u64,
}

impl From<Forecast> for Texts {
    fn from(forecast: Forecast) -> Self {
        let Forecast { quotas, faults, latency, drop, seed } = forecast;
        Self {
            quotas: Some(quotas.to_string()),
            faults: faults.iter().map(ToString::to_string).collect(),
            latency: Some(latency.to_string()),
            drop: Some(drop.to_string()),
            seed,
        }
    }
}

impl TryFrom<Texts> for Forecast {
    type Error = ForecastError;

    fn try_from(texts: Texts) -> Result<Self, Self::Error> {
        let within = |member: &'static str| move |error: ForecastError| error.within(member);
        let faults = texts.faults.iter().map(|fault| fault.parse()).collect::<Result<_, _>>();
        let forecast = Self {
            quotas: parse_or_default(texts.quotas.as_deref()).map_err(within("quotas"))?,
            faults: faults.map_err(within("faults"))?,
            latency: parse_or_default(texts.latency.as_deref()).map_err(within("latency"))?,
            drop: parse_or_default(texts.drop.as_deref()).map_err(within("drop"))?,
            seed: texts.seed,
        };
        forecast.check().map_err(within("faults"))?;
        Ok(forecast)
    }
}

fn parse_or_default<T>(text: Option<&str>) -> Result<T, ForecastError>
where
    T: core::str::FromStr<Err = ForecastError> + Default,
{
    text.map_or_else(|| Ok(T::default()), str::parse)
}

/// A text that is none of the weather's languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForecastError {
    member: Option<&'static str>,
    place: String,
    mend: String,
}

impl ForecastError {
    pub(super) fn new(place: &str, mend: impl Into<String>) -> Self {
        Self { member: None, place: place.to_owned(), mend: mend.into() }
    }

    const fn within(mut self, member: &'static str) -> Self {
        self.member = Some(member);
        self
    }
}

impl fmt::Display for ForecastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(member) = self.member {
            write!(f, "{member}: ")?;
        }
        write!(f, "'{}': {}", self.place, self.mend)
    }
}

impl core::error::Error for ForecastError {}
