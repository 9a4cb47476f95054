//! `Latency`: how long an answer takes at least.

use core::f64::consts::TAU;
use core::fmt;
use core::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use super::forecast::ForecastError;
use crate::limits::{LATENCY_MAX, LATENCY_SIGMA_MAX};

/// A distribution of times, written `8ms`, `lognormal(8ms,0.5)` or `none`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Latency {
    /// No longer than the work does.
    #[default]
    None,
    /// Always the same.
    Fixed(Duration),
    /// Most near the median, few far beyond: what services are like.
    LogNormal {
        /// Half of the answers take less.
        median: Duration,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

impl Latency {
    /// One time, from two draws from [0, 1); [`LATENCY_MAX`] at most.
    pub(super) fn sample(self, first: f64, second: f64) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(time) => time,
            Self::LogNormal { median, sigma } => {
                // Box and Muller; 1 - first is not zero.
                let normal = (-2.0 * (1.0 - first).ln()).sqrt() * (TAU * second).cos();
                let seconds = median.as_secs_f64() * (sigma * normal).exp();
                Duration::from_secs_f64(seconds.min(LATENCY_MAX.as_secs_f64()))
            }
        }
    }
}

impl FromStr for Latency {
    type Err = ForecastError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self::None);
        }
        let Some(rest) = text.strip_prefix("lognormal") else {
            return Ok(Self::Fixed(time(text)?));
        };
        let inner = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let parts = inner.and_then(|inner| inner.split_once(','));
        let Some((median, sigma)) = parts else {
            let mend = "give the median and sigma, like lognormal(8ms,0.5)";
            return Err(ForecastError::new(text, mend));
        };
        let (median, sigma_text) = (time(median.trim())?, sigma.trim());
        match sigma_text.parse::<f64>() {
            Ok(sigma) if (0.0..=LATENCY_SIGMA_MAX).contains(&sigma) => {
                Ok(Self::LogNormal { median, sigma })
            }
            _ => {
                let mend = format!("sigma is a number from 0 to {LATENCY_SIGMA_MAX}, like 0.5");
                Err(ForecastError::new(sigma_text, mend))
            }
        }
    }
}

fn time(text: &str) -> Result<Duration, ForecastError> {
    let time = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    match time {
        Some(time) if time <= LATENCY_MAX => Ok(time),
        Some(_) => Err(ForecastError::new(text, format!("at most {LATENCY_MAX:?}"))),
        None => {
            let mend = "give a time with its unit, like 8ms, or lognormal(8ms,0.5), or none";
            Err(ForecastError::new(text, mend))
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Fixed(time) => write!(f, "{time:?}"),
            Self::LogNormal { median, sigma } => write!(f, "lognormal({median:?},{sigma})"),
        }
    }
}
