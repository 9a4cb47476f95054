//! `Mix`: which kinds of key pairs are asked for, how often, in which order.

use core::str::FromStr;

use keymill::spec::KeyPairSpec;

/// How far shares may be from 100 % together: three thirds are `33.33%` each.
const SLACK_PERCENT: f64 = 0.05;

/// One spec and its share of the requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    pub spec: KeyPairSpec,
    pub percent: f64,
}

/// Specs with their shares, which add up to 100 %.
///
/// Shares are dealt evenly: of any run of requests each spec gets its share, to within one request
/// (smooth weighted round robin).
#[derive(Clone, Debug)]
pub struct Mix {
    shares: Vec<Share>,
    /// How much each spec is owed.
    credits: Vec<f64>,
}

impl Mix {
    /// Specs and shares, in the order given.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The place among [`shares`](Self::shares) of the spec that is to be asked for next.
    pub fn deal(&mut self) -> usize {
        let mut next = 0;
        for (place, share) in self.shares.iter().enumerate() {
            self.credits[place] += share.percent;
            if self.credits[place] > self.credits[next] {
                next = place;
            }
        }
        self.credits[next] -= 100.0;
        next
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_alone = !text.contains(',');
        let shares = text.split(',').map(|part| share(part, is_alone));
        let shares = shares.collect::<Result<Vec<Share>, String>>()?;
        for (place, share) in shares.iter().enumerate() {
            if shares[..place].iter().any(|other| other.spec == share.spec) {
                return Err(format!("{} is given twice", share.spec));
            }
        }
        let sum: f64 = shares.iter().map(|share| share.percent).sum();
        if (sum - 100.0).abs() > SLACK_PERCENT {
            return Err(format!("the shares add up to {sum}%, 100% are needed"));
        }
        Ok(Self { credits: vec![0.0; shares.len()], shares })
    }
}

/// `RSA_2048=30%`; a spec that stands alone needs no share.
fn share(text: &str, is_alone: bool) -> Result<Share, String> {
    let (name, percent) = match text.split_once('=') {
        Some((name, percent)) => (name, percent.strip_suffix('%').and_then(|it| it.parse().ok())),
        None => (text, is_alone.then_some(100.0)),
    };
    let spec = name.parse().map_err(|error| format!("'{name}': {error}"))?;
    let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
    let percent = percent.ok_or_else(|| format!("'{text}': give a share, like {name}=30%"))?;
    Ok(Share { spec, percent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_dealt_evenly() {
        let mut mix: Mix = "RSA_2048=30%,ECC_NIST_P256=69.5%,SM2=0.5%".parse().unwrap();
        let mut dealt = [0_u32; 3];
        for count in 1..=10_000 {
            dealt[mix.deal()] += 1;
            for (share, dealt) in mix.shares().iter().zip(dealt) {
                let owed = f64::from(count) * share.percent / 100.0;
                assert!((f64::from(dealt) - owed).abs() <= 1.0 + 1e-6, "{dealt} of {owed}");
            }
        }
        assert_eq!(dealt, [3000, 6950, 50]);
    }

    #[test]
    fn shares_that_do_not_add_up_are_refused() {
        let refused = |text: &str| text.parse::<Mix>().unwrap_err();
        assert!(refused("RSA_2048=30%,ECC_NIST_P256=60%").contains("90%"));
        assert!(refused("RSA_2048=50%,RSA_2048=50%").contains("twice"));
        assert!(refused("RSA_2048,ECC_NIST_P256=50%").contains("RSA_2048=30%"));
        assert!(refused("RSA_2048=NaN%").contains("share"));
        assert!(refused("RSA_2048=100").contains("share"));
        assert!(refused("RSA_1024=100%").contains("RSA_1024"));
        let thirds = "RSA_2048=33.33%,RSA_3072=33.33%,RSA_4096=33.33%";
        assert_eq!(thirds.parse::<Mix>().unwrap().shares().len(), 3);
        assert_eq!("SM2".parse::<Mix>().unwrap().shares()[0].percent.to_string(), "100");
    }
}
