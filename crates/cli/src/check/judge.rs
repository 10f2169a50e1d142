//! Compares what a receiver did with what it should have done.

use std::fmt;

use super::case::Expected;
use crate::wire::{NoResponse, Response};

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Passes,
    FailsOpen,
    Leaks,
    RunsTwice,
    Loses,
    RefusesTheLegitimate,
    FallsOver,
}

impl Outcome {
    pub(crate) const FAILURES: [Self; 6] = [
        Self::FailsOpen,
        Self::Leaks,
        Self::RunsTwice,
        Self::Loses,
        Self::RefusesTheLegitimate,
        Self::FallsOver,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::FailsOpen => "fails open",
            Self::Leaks => "leaks",
            Self::RunsTwice => "runs twice",
            Self::Loses => "loses",
            Self::RefusesTheLegitimate => "refuses the legitimate",
            Self::FallsOver => "falls over",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The result of one delivery.
#[derive(Debug)]
pub(crate) struct DeliveryResult {
    pub(crate) response: Result<Response, NoResponse>,
    pub(crate) may_close: bool,
    pub(crate) echo: Option<String>,
}

impl DeliveryResult {
    pub(crate) fn is_accepted(&self) -> bool {
        self.response.as_ref().is_ok_and(Response::is_success)
    }
}

/// The observations of a case.
#[derive(Debug, Default)]
pub(crate) struct Observations {
    pub(crate) got: Vec<DeliveryResult>,
    /// How many runs were counted, where they are.
    pub(crate) runs: Option<u64>,
    /// The confidential text that a response held.
    pub(crate) leaked: Option<&'static str>,
    /// The result of the usual delivery that followed, where one did; `Err` says it.
    pub(crate) recovered: Option<Result<(), String>>,
    /// Two kinds of wrong tags that took unlike times, in words.
    pub(crate) uneven: Option<String>,
}

impl Observations {
    /// The text of it in a report.
    pub(crate) fn text(&self, expected: Expected) -> String {
        let mut parts: Vec<(String, usize)> = Vec::new();
        for got in &self.got {
            let text = match &got.response {
                Ok(response) => response.status.to_string(),
                Err(error) => error.to_string(),
            };
            match parts.last_mut() {
                Some((last, times)) if *last == text => *times += 1,
                _ => parts.push((text, 1)),
            }
        }
        let parts = parts.into_iter().map(|(text, times)| match times {
            1 => text,
            times => format!("{text} ({times} times)"),
        });
        let mut text = parts.collect::<Vec<_>>().join(", ");
        let mut add = |more: &str| {
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(more);
        };
        if let (Some(runs), Expected::Handled(_) | Expected::Refused) = (self.runs, expected) {
            add(&format!("{runs} run{}", if runs == 1 { "" } else { "s" }));
        }
        if let Some(leaked) = self.leaked {
            add(&format!("the response holds {leaked}"));
        }
        if let Some(uneven) = &self.uneven {
            add(uneven);
        }
        if let Some(Err(error)) = &self.recovered {
            add(&format!("then a usual delivery: {error}"));
        }
        if expected == Expected::Echoed && !self.echoed() {
            add("without the challenge's response");
        }
        if text.is_empty() { "the same".to_owned() } else { text }
    }

    fn echoed(&self) -> bool {
        self.got.iter().all(|got| match (&got.response, &got.echo) {
            (Ok(response), Some(echo)) => String::from_utf8_lossy(&response.body).contains(echo),
            (_, None) => true,
            (Err(_), _) => false,
        })
    }
}

/// How a case ended.
pub(crate) fn judge(expected: Expected, seen: &Observations) -> Outcome {
    let responses = seen.got.iter().filter_map(|got| got.response.as_ref().ok());
    if expected == Expected::Refused && (responses.clone().any(Response::is_success) || seen.runs.unwrap_or(0) > 0) {
        return Outcome::FailsOpen;
    }
    if seen.leaked.is_some() || seen.uneven.is_some() {
        return Outcome::Leaks;
    }
    if let Some(Err(_)) = seen.recovered {
        return Outcome::FallsOver;
    }
    // Of a delivery that was cut, no response is expected; of a forged one, no success.
    let judged = || seen.got.iter().filter(|got| !got.may_close);
    let fell = judged().any(|got| match &got.response {
        Ok(response) => is_failure(expected, response.status),
        Err(NoResponse::HungUp) => false,
        Err(_) => true,
    });
    let fell_in_cut = || {
        let mut cut = seen.got.iter().filter(|got| got.may_close);
        cut.any(|got| matches!(&got.response, Ok(response) if is_failure(expected, response.status)))
    };
    match expected {
        _ if fell => Outcome::FallsOver,
        Expected::Refused | Expected::Steady if fell_in_cut() => Outcome::FallsOver,
        Expected::Refused | Expected::Steady | Expected::EvenTimes => Outcome::Passes,
        Expected::Handled(_) | Expected::Acknowledged | Expected::Echoed => {
            if judged().any(|got| !matches!(&got.response, Ok(response) if response.is_success())) {
                return Outcome::RefusesTheLegitimate;
            }
            match (expected, seen.runs) {
                (Expected::Handled(wanted), Some(runs)) if runs > wanted => Outcome::RunsTwice,
                (Expected::Handled(wanted), Some(runs)) if runs < wanted => Outcome::Loses,
                (Expected::Echoed, _) if !seen.echoed() => Outcome::RefusesTheLegitimate,
                _ => Outcome::Passes,
            }
        }
    }
}

/// Whether a status says that the receiver itself failed. 503 to a stranger is overload; 501 and
/// 505 say that it does not do this at all.
fn is_failure(expected: Expected, status: u16) -> bool {
    match status {
        503 if expected == Expected::Refused => false,
        501 | 505 => false,
        status => status >= 500,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn got(status: u16) -> DeliveryResult {
        DeliveryResult {
            response: Ok(Response {
                status,
                headers: Vec::new(),
                body: Vec::new(),
                took: Duration::ZERO,
            }),
            may_close: false,
            echo: None,
        }
    }

    fn seen(statuses: &[u16], runs: Option<u64>) -> Observations {
        Observations {
            got: statuses.iter().copied().map(got).collect(),
            runs,
            ..Observations::default()
        }
    }

    #[test]
    fn each_outcome_follows_from_what_was_seen() {
        use Expected::*;
        for (expected, statuses, runs, outcome) in [
            (Refused, &[401][..], Some(0), Outcome::Passes),
            (Refused, &[404], None, Outcome::Passes),
            (Refused, &[302], None, Outcome::Passes),
            (Refused, &[503], None, Outcome::Passes),
            (Refused, &[200], None, Outcome::FailsOpen),
            (Refused, &[401], Some(1), Outcome::FailsOpen),
            (Refused, &[401, 204], None, Outcome::FailsOpen),
            (Refused, &[500], None, Outcome::FallsOver),
            (Handled(1), &[200], Some(1), Outcome::Passes),
            (Handled(1), &[200, 200], None, Outcome::Passes),
            (Handled(1), &[200, 200], Some(2), Outcome::RunsTwice),
            (Handled(2), &[200, 200], Some(1), Outcome::Loses),
            (Handled(1), &[200, 409], Some(1), Outcome::RefusesTheLegitimate),
            (Handled(1), &[302], None, Outcome::RefusesTheLegitimate),
            (Handled(1), &[503], None, Outcome::FallsOver),
            (Acknowledged, &[404], None, Outcome::RefusesTheLegitimate),
            (Acknowledged, &[202], Some(0), Outcome::Passes),
            (Steady, &[400], None, Outcome::Passes),
            (Steady, &[501], None, Outcome::Passes),
            (Steady, &[500], None, Outcome::FallsOver),
        ] {
            assert_eq!(
                judge(expected, &seen(statuses, runs)),
                outcome,
                "{expected}: {statuses:?}, {runs:?}"
            );
        }
    }

    #[test]
    fn a_connection_that_is_closed_is_a_fall_unless_it_may_be() {
        for (may_close, outcome) in [(false, Outcome::FallsOver), (true, Outcome::Passes)] {
            let mut seen = seen(&[], None);
            seen.got.push(DeliveryResult {
                response: Err(NoResponse::Closed),
                may_close,
                echo: None,
            });
            assert_eq!(judge(Expected::Refused, &seen), outcome);
        }
    }

    #[test]
    fn what_leaks_or_does_not_recover_passes_nowhere() {
        let mut leaky = seen(&[401], None);
        leaky.leaked = Some("the expected tag");
        assert_eq!(judge(Expected::Refused, &leaky), Outcome::Leaks);
        assert_eq!(
            leaky.text(Expected::Refused),
            "401; the response holds the expected tag"
        );
        let mut dead = seen(&[400], None);
        dead.recovered = Some(Err("500".to_owned()));
        assert_eq!(judge(Expected::Steady, &dead), Outcome::FallsOver);
    }

    #[test]
    fn a_challenge_must_be_in_the_response() {
        let mut seen = seen(&[200], None);
        seen.got[0].echo = Some("abc".to_owned());
        assert_eq!(judge(Expected::Echoed, &seen), Outcome::RefusesTheLegitimate);
        if let Ok(response) = &mut seen.got[0].response {
            response.body = b"{\"challenge\":\"abc\"}".to_vec();
        }
        assert_eq!(judge(Expected::Echoed, &seen), Outcome::Passes);
    }

    #[test]
    fn equal_responses_are_said_once() {
        assert_eq!(
            seen(&[200, 200, 503], Some(1)).text(Expected::Handled(1)),
            "200 (2 times), 503; 1 run"
        );
    }
}
