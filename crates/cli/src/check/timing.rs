//! Whether two kinds of requests take unlike times.

use std::time::Duration;

/// The difference of the medians of two samples that were taken in turn, if it is certain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) first: Duration,
    pub(crate) second: Duration,
}

/// Beyond this, chance is out of the question: less than one in a million runs.
const DEVIATIONS: f64 = 5.0;
/// A difference below is smaller than what one machine's scheduler makes of it.
const LEAST: Duration = Duration::from_micros(20);

/// By ranks (Mann and Whitney's test), so that a few slow responses count for little; and only
/// where the medians differ by a tenth.
pub(crate) fn compare(first: &[Duration], second: &[Duration]) -> Option<Difference> {
    let (medians, deviations) = ((median(first)?, median(second)?), deviations(first, second));
    let (smaller, larger) = (medians.0.min(medians.1), medians.0.max(medians.1));
    let is_certain = deviations.abs() > DEVIATIONS && larger - smaller > LEAST.max(smaller / 10);
    is_certain.then_some(Difference {
        first: medians.0,
        second: medians.1,
    })
}

fn median(sample: &[Duration]) -> Option<Duration> {
    let mut sorted = sample.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// How many standard deviations the ranks of the first sample are off.
fn deviations(first: &[Duration], second: &[Duration]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some hundred samples")]
    let (n, m) = (first.len() as f64, second.len() as f64);
    let mut wins = 0.0;
    for one in first {
        for other in second {
            wins += match one.cmp(other) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    let spread = (n * m * (n + m + 1.0) / 12.0).sqrt();
    if spread > 0.0 {
        (wins - n * m / 2.0) / spread
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(base: u64, count: u64) -> Vec<Duration> {
        // A spread that repeats, and a slow one now and then.
        let spread = |n: u64| (n * 37) % 60 + if n.is_multiple_of(17) { 5000 } else { 0 };
        (0..count).map(|n| Duration::from_micros(base + spread(n))).collect()
    }

    #[test]
    fn only_a_difference_that_is_certain_and_large_is_one() {
        assert_eq!(compare(&sample(300, 100), &sample(300, 100)), None);
        assert_eq!(compare(&sample(300, 100), &sample(310, 100)), None, "too small");
        assert_eq!(compare(&sample(300, 4), &sample(500, 4)), None, "too few");
        let found = compare(&sample(300, 100), &sample(500, 100)).unwrap();
        assert!(found.second > found.first);
        assert!(compare(&sample(500, 100), &sample(300, 100)).is_some());
        assert_eq!(compare(&[], &[]), None);
    }
}
