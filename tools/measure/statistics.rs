//! Means, medians and their uncertainties, for samples that are not many.

/// The value that `quarters` quarters of the samples do not exceed; there must be some.
fn quartile(samples: &[f64], quarters: usize) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() - 1) * quarters;
    let (below, above) = (sorted[place / 4], sorted[place.div_ceil(4)]);
    below + (above - below) * (place % 4) as f64 / 4.0
}

/// The middle sample.
pub fn median(samples: &[f64]) -> f64 {
    quartile(samples, 2)
}

/// Half the distance between the quartiles.
pub fn half_quartiles(samples: &[f64]) -> f64 {
    (quartile(samples, 3) - quartile(samples, 1)) / 2.0
}

/// Standard error of the mean of `samples`; infinite for less than two.
pub fn standard_error(samples: &[f64]) -> f64 {
    let count = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / count;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    if samples.len() < 2 { f64::INFINITY } else { (squares / (count - 1.0) / count).sqrt() }
}
