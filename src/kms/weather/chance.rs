//! `Chance`: how often something happens, in percent.

use core::fmt;
use core::str::FromStr;

use super::forecast::ForecastError;

/// A probability, written `0.5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chance {
    percent: f64,
}

impl Chance {
    /// What does not happen.
    pub const NEVER: Self = Self { percent: 0.0 };

    /// In percent.
    #[must_use]
    pub const fn percent(self) -> f64 {
        self.percent
    }

    /// Whether it happens at this draw from [0, 1).
    pub(super) fn befalls(self, draw: f64) -> bool {
        draw * 100.0 < self.percent
    }
}

impl FromStr for Chance {
    type Err = ForecastError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
        match number {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Self { percent }),
            Some(_) => Err(ForecastError::new(text, "a chance is 0% at least and 100% at most")),
            None => Err(ForecastError::new(text, "give a chance in percent, like 0.5%")),
        }
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.percent)
    }
}
