//! Laws of the weather: what was asked for is what comes, and comes again.

use proptest::prelude::*;

use super::*;

fn weather(faults: &str, latency: &str, drop: &str, seed: u64) -> Weather {
    let faults = faults.split_whitespace().map(|fault| fault.parse().unwrap()).collect();
    let (latency, drop) = (latency.parse().unwrap(), drop.parse().unwrap());
    Weather::new(Forecast { faults, latency, drop, seed, ..Forecast::default() })
}

fn fates(weather: &Weather, count: usize) -> Vec<Fate> {
    (0..count).map(|_| weather.next_fate()).collect()
}

const FAULTS: &str = "ThrottlingException=1% KMSInternalException=0.1%";

#[test]
fn the_same_seed_gives_the_same_fates_and_another_seed_others() {
    let of = |seed| fates(&weather(FAULTS, "lognormal(8ms,0.5)", "0.5%", seed), 20_000);
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
}

/// Which fates are drawn is part of what users can rely on from version to version.
#[test]
fn the_fates_of_seed_7_are_these() {
    let fates = fates(&weather(FAULTS, "none", "1%", 7), 400);
    let met = |is_met: &dyn Fn(&Fate) -> bool| {
        let met = fates.iter().enumerate().filter(|(_, fate)| is_met(fate));
        met.map(|(number, _)| number).collect::<Vec<_>>()
    };
    assert_eq!(met(&|fate| fate.is_dropped), DROPPED);
    assert_eq!(met(&|fate| fate.fault == Some("ThrottlingException")), THROTTLED);
}

const DROPPED: &[usize] = &[145, 152, 276, 322];
const THROTTLED: &[usize] = &[250];

#[test]
fn a_change_of_one_part_leaves_the_others_as_they_were() {
    let faults = |weather: &Weather| {
        fates(weather, 5000).into_iter().map(|fate| fate.fault).collect::<Vec<_>>()
    };
    let calm = faults(&weather(FAULTS, "none", "0%", 7));
    assert_eq!(calm, faults(&weather(FAULTS, "8ms", "50%", 7)));
    assert!(calm.iter().flatten().count() > 20, "nothing to compare");
}

#[test]
fn chances_come_true() {
    let fates = fates(&weather(FAULTS, "lognormal(8ms,0.5)", "2%", 1), 200_000);
    let share = |count: usize| count as f64 / fates.len() as f64 * 100.0;
    let faults = |name| share(fates.iter().filter(|fate| fate.fault == Some(name)).count());
    let dropped = share(fates.iter().filter(|fate| fate.is_dropped).count());
    // Five standard deviations of a binomial count.
    let near = |is: f64, want: f64| (is - want).abs() < 5.0 * (want / 2000.0).sqrt();
    assert!(near(dropped, 2.0), "{dropped}");
    assert!(near(faults("ThrottlingException"), 1.0), "{}", faults("ThrottlingException"));
    assert!(near(faults("KMSInternalException"), 0.1), "{}", faults("KMSInternalException"));
    let mut times: Vec<_> = fates.iter().map(|fate| fate.latency.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    let quantile = |percent: usize| times[percent * times.len() / 100] * 1000.0;
    // exp(0.5 z) with z = 0, 1.2816 and 2.3263.
    for (p, want) in [(50, 8.0), (90, 15.18), (99, 25.6)] {
        assert!((quantile(p) / want - 1.0).abs() < 0.03, "{p}: {} ms", quantile(p));
    }
}

#[test]
fn a_quota_lets_a_second_of_calls_through_and_then_its_rate() {
    let buckets = Buckets::default();
    let scope = crate::keystore::ScopeOptions::default_scope();
    let class: Class = "RSA_2048".parse().unwrap();
    let start = Instant::now();
    let passed = |rate: f64, from: f64, to: f64| {
        let calls = (0..).map(|n| from + f64::from(n) / 1000.0).take_while(|at| *at < to);
        let at = |seconds| start + Duration::from_secs_f64(seconds);
        calls.filter(|seconds| buckets.take(&scope, class, rate, at(*seconds))).count()
    };
    assert_eq!(passed(20.0, 0.0, 0.04), 20, "one second's worth at once");
    let steady = passed(20.0, 0.04, 10.0);
    assert!((198..=200).contains(&steady), "then 20 a second: {steady}");
    let slow = passed(0.1, 100.0, 125.0);
    assert_eq!(slow, 3, "one at once, then one in ten seconds");
}

#[test]
fn presets_are_those_of_the_service() {
    let rate = |quotas: &str, class: &str, region: &str| {
        let quotas: Quotas = quotas.parse().unwrap();
        quotas.rate(class.parse().unwrap(), &region.parse().unwrap())
    };
    for (quotas, class, region, want) in [
        ("none", "RSA_4096", "us-east-1", None),
        ("aws", "RSA_4096", "us-east-1", Some(1.0)),
        ("aws-cn", "RSA_4096", "cn-north-1", Some(0.1)),
        ("aws", "ECC_NIST_P256", "eu-north-1", Some(100.0)),
        ("aws", "ML_KEM_768", "us-east-1", None),
        ("aws", "SYMMETRIC", "us-east-1", Some(100_000.0)),
        ("aws", "Decrypt", "eu-north-1", Some(10_000.0)),
        ("aws,RSA_2048=500", "RSA_2048", "us-east-1", Some(500.0)),
        ("aws,RSA_2048=500", "RSA_3072", "us-east-1", Some(4.0)),
        ("RSA_2048=20", "RSA_3072", "us-east-1", None),
    ] {
        assert_eq!(rate(quotas, class, region), want, "{quotas} {class} {region}");
    }
}

#[test]
fn a_forecast_survives_json() {
    let text = r#"{"quotas":"aws,RSA_2048=500","faults":["ThrottlingException=1%"],
        "latency":"lognormal(8ms,0.5)","drop":"0.01%","seed":7}"#;
    let forecast: Forecast = serde_json::from_str(text).unwrap();
    let again = serde_json::from_str(&serde_json::to_string(&forecast).unwrap()).unwrap();
    assert_eq!(forecast, again);
    for (wrong, said) in [
        (r#"{"drop":"1"}"#, "drop: '1': give a chance in percent, like 0.5%"),
        (r#"{"latency":"8"}"#, "latency: '8': give a time with its unit"),
        (r#"{"fault":[]}"#, "unknown field `fault`"),
        (r#"{"faults":["NotFoundException=60%","TagException=60%"]}"#, "add up to 120%"),
    ] {
        let error = serde_json::from_str::<Forecast>(wrong).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read_again(
        percent in 0.0..=100.0_f64,
        micros in 0_u64..60_000_000,
        sigma in 0.0..=5.0_f64,
        rate in 0.001..1e6_f64,
    ) {
        let chance: Chance = format!("{percent}%").parse().unwrap();
        prop_assert_eq!(chance.to_string().parse(), Ok(chance));
        let median = Duration::from_micros(micros);
        for latency in [Latency::Fixed(median), Latency::LogNormal { median, sigma }] {
            prop_assert_eq!(latency.to_string().parse(), Ok(latency));
        }
        let quotas: Quotas = format!("aws-cn,SM2={rate},SYMMETRIC=1,CreateKey=2").parse().unwrap();
        prop_assert_eq!(quotas.to_string().parse(), Ok(quotas));
    }

    #[test]
    fn no_text_is_too_strange_to_be_refused(text in ".{0,40}") {
        let _ = (text.parse::<Chance>(), text.parse::<Latency>(), text.parse::<Fault>());
        let _ = (text.parse::<Quotas>(), format!("lognormal({text},1)").parse::<Latency>());
    }
}
