//! The deliveries of a run, at a bounded rate.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    case::{Action, Case, Expected, Maker, Sent},
    count::Counter,
    judge::{DeliveryResult, Observations, judge},
    report::Finding,
    timing,
};
use crate::{
    failure::Failure,
    wire::{Connection, NoResponse, Request, Response, exchange},
};

/// How long a run may take to be counted, behind its response.
const COUNTED: Duration = Duration::from_secs(2);
/// How long a second run is waited for.
const SECOND: Duration = Duration::from_millis(150);
/// How often a receiver that does not respond is asked again, and the pause between: a supervisor
/// takes some seconds to start a process again.
const RESTARTED: u32 = 12;
const PAUSE: Duration = Duration::from_millis(250);
/// How many requests of each kind are measured.
const MEASURED: usize = 100;

pub(crate) struct Runner {
    pub(crate) maker: Maker,
    pub(crate) counter: Option<Counter>,
    pub(crate) pace: Pace,
    /// How long a response may take.
    pub(crate) limit: Duration,
}

/// At most one request in this time.
pub(crate) struct Pace {
    every: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn per_second(rate: u32) -> Self {
        Self {
            every: Duration::from_secs(1) / rate.max(1),
            next: Mutex::new(Instant::now()),
        }
    }

    fn ahead(&self, requests: usize) {
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *next += self.every.saturating_mul(requests);
    }

    async fn turn(&self) {
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + self.every;
            turn
        };
        tokio::time::sleep_until(turn.into()).await;
    }
}

impl Runner {
    /// Whether the receiver takes a usual delivery, and counts it: otherwise nothing can be said.
    pub(crate) async fn is_ready(&self) -> Result<(), Failure> {
        let before = match &self.counter {
            Some(counter) => Some(counter.runs(self.limit).await?),
            None => None,
        };
        let response = self.send(&self.maker.usual()?.into()).await;
        let target = &self.maker.target;
        match response {
            Err(error) => Err(Failure::usage(format!(
                "{} gave {error} to a usual delivery; expected 2xx: is the receiver running there?",
                target.authority
            ))),
            Ok(response) if !response.is_success() => Err(Failure::usage(format!(
                "{}{} responded {} to a usual delivery; expected 2xx: give the provider and the secret that the \
                 receiver has, and the path that it listens on{}",
                target.authority,
                target.path,
                response.status,
                if self.maker.signer.provider.name == "square" {
                    " (Square signs the URL that the receiver is configured with: --signed-url)"
                } else {
                    ""
                }
            ))),
            Ok(_) => match before {
                Some(before) if self.settled(before, 1, false).await? == 0 => Err(Failure::usage(format!(
                    "the count did not move by a usual delivery of the topic {}; expected one run: give a --topic that \
                     the receiver handles and counts",
                    self.maker.topic
                ))),
                _ => Ok(()),
            },
        }
    }

    /// The result of a case, and whether the receiver is still there.
    pub(crate) async fn run(&self, case: &Case) -> Result<(Finding, bool), Failure> {
        let before = self.runs().await?;
        let mut seen = match (case.make)(&self.maker)? {
            Action::Times(kinds) => self.times(&kinds).await?,
            Action::InTurn(all) => {
                let mut seen = Observations::default();
                for sent in all {
                    let response = self.send(&sent).await;
                    self.note(&mut seen, sent, response);
                }
                seen
            }
            Action::OneConnection(all) => self.over_one_connection(all).await,
            Action::AtOnce(all) => self.at_once(all, case.expected).await,
        };
        let is_there = match self.look_again(case.expected, before, &mut seen).await {
            Ok(()) => true,
            Err(failure) => {
                seen.recovered = Some(Err(failure.to_string()));
                false
            }
        };
        let finding = Finding {
            name: case.name.clone(),
            expected: case.expected.to_string(),
            got: seen.text(case.expected),
            outcome: judge(case.expected, &seen),
            why: case.why,
        };
        Ok((finding, is_there))
    }

    /// How often handlers have run, and whether a usual delivery is still taken. A receiver whose
    /// count is not to be had any more is gone.
    async fn look_again(
        &self,
        expected: Expected,
        before: Option<u64>,
        seen: &mut Observations,
    ) -> Result<(), Failure> {
        if let Some(before) = before {
            seen.runs = match expected {
                // What was refused is not waited for.
                Expected::Handled(wanted) if seen.got.iter().any(DeliveryResult::is_accepted) => {
                    Some(self.settled(before, wanted, seen.got.len() > 1).await?)
                }
                Expected::Handled(_) | Expected::Refused => {
                    Some(self.runs().await?.unwrap_or(before).saturating_sub(before))
                }
                _ => None,
            };
        }
        let is_hard = expected == Expected::Steady || seen.got.iter().any(|got| got.may_close);
        let fell = |got: &DeliveryResult| !matches!(&got.response, Ok(response) if response.status < 500);
        if is_hard || seen.got.iter().any(fell) {
            seen.recovered = Some(self.usual_again().await?);
        }
        Ok(())
    }

    /// A usual delivery after something hard.
    async fn usual_again(&self) -> Result<Result<(), String>, Failure> {
        let before = self.runs().await?;
        let mut last = String::new();
        for attempt in 0..RESTARTED {
            match self.send(&self.maker.usual()?.into()).await {
                Ok(response) if response.is_success() => {
                    if let Some(before) = before {
                        self.settled(before, 1, false).await?;
                    }
                    return Ok(Ok(()));
                }
                Ok(response) if attempt > 1 => return Ok(Err(response.status.to_string())),
                Ok(response) => last = response.status.to_string(),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Err(last))
    }

    /// The count, also of a receiver that is just being started again.
    async fn runs(&self) -> Result<Option<u64>, Failure> {
        let Some(counter) = &self.counter else {
            return Ok(None);
        };
        for _ in 1..RESTARTED {
            if let Ok(runs) = counter.runs(self.limit).await {
                return Ok(Some(runs));
            }
            tokio::time::sleep(PAUSE).await;
        }
        counter.runs(self.limit).await.map(Some)
    }

    /// How many runs there were since, once there were as many as expected and, where a second one
    /// could follow, none did for a while.
    async fn settled(&self, before: u64, wanted: u64, is_repeated: bool) -> Result<u64, Failure> {
        let began = Instant::now();
        loop {
            let runs = self.runs().await?.unwrap_or(before).saturating_sub(before);
            if runs >= wanted || began.elapsed() > COUNTED {
                if is_repeated {
                    tokio::time::sleep(SECOND).await;
                }
                return Ok(self.runs().await?.unwrap_or(before).saturating_sub(before));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn send(&self, sent: &Sent) -> Result<Response, NoResponse> {
        self.pace.turn().await;
        let target = &self.maker.target;
        match &sent.pieces {
            Some(pieces) => exchange(target, pieces, sent.request.method, self.limit).await,
            None => exchange(target, &sent.request.pieces(target), sent.request.method, self.limit).await,
        }
    }

    fn note(&self, seen: &mut Observations, sent: Sent, response: Result<Response, NoResponse>) {
        if let Ok(response) = &response {
            seen.leaked = seen.leaked.or_else(|| self.leaked(&sent.request, response));
        }
        seen.got.push(DeliveryResult {
            response,
            may_close: sent.may_close,
            echo: sent.echo,
        });
    }

    /// Finds what a response must not hold: the secret, or a tag that the request did not have.
    fn leaked(&self, request: &Request, response: &Response) -> Option<&'static str> {
        let mut text = String::from_utf8_lossy(&response.body).into_owned();
        for (name, value) in &response.headers {
            text.push_str(&format!("\n{name}: {value}"));
        }
        let lower = text.to_lowercase();
        let said = |needle: &str| {
            let mut values = request.headers.iter().map(|(_, value)| value.as_slice());
            values.any(|value| String::from_utf8_lossy(value).contains(needle))
        };
        let confidential = self.maker.signer.confidential(request).into_iter();
        let mut found = confidential.filter(|(_, needle)| {
            let is_there = text.contains(needle) || lower.contains(needle);
            is_there && !said(needle)
        });
        found.next().map(|(what, _)| what)
    }

    async fn over_one_connection(&self, all: Vec<Sent>) -> Observations {
        let mut seen = Observations::default();
        let mut open: Option<Connection> = None;
        for sent in all {
            self.pace.turn().await;
            let mut connection = match open.take() {
                Some(connection) => connection,
                None => match Connection::open(&self.maker.target).await {
                    Ok(connection) => connection,
                    Err(error) => {
                        self.note(&mut seen, sent, Err(error));
                        continue;
                    }
                },
            };
            let response = connection.request(&self.maker.target, &sent.request, self.limit).await;
            let closes = |response: &Response| {
                let header = response.header("connection");
                header.is_some_and(|value| value.eq_ignore_ascii_case("close"))
            };
            if response.as_ref().is_ok_and(|response| !closes(response)) {
                open = Some(connection);
            }
            self.note(&mut seen, sent, response);
        }
        seen
    }

    /// All of them; those that are asked to come again do, as a provider's would.
    async fn at_once(&self, all: Vec<Sent>, expected: Expected) -> Observations {
        let mut tasks = JoinSet::new();
        // The rate holds on average: what comes at once is paid for by those that follow.
        self.pace.turn().await;
        self.pace.ahead(all.len());
        for sent in all {
            let (target, limit) = (self.maker.target.clone(), self.limit);
            tasks.spawn(async move {
                let pieces = sent.request.pieces(&target);
                let response = exchange(&target, &pieces, sent.request.method, limit).await;
                (sent, response)
            });
        }
        let mut seen = Observations::default();
        for (sent, mut response) in tasks.join_all().await {
            for attempt in 0..5 {
                let comes_again = matches!(&response, Ok(response) if matches!(response.status, 409 | 425 | 429 | 503));
                if expected == Expected::Refused || !comes_again {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
                response = self.send(&sent).await;
            }
            self.note(&mut seen, sent, response);
        }
        seen
    }

    /// Measures in turn, over one connection where it stays open; a difference must show twice.
    async fn times(&self, kinds: &[Vec<Request>; 2]) -> Result<Observations, Failure> {
        let mut seen = Observations::default();
        let mut differences = Vec::new();
        for _ in 0..2 {
            let [first, second] = self.measured(kinds).await;
            match timing::compare(&first, &second) {
                Some(difference) => differences.push(difference),
                None => return Ok(seen),
            }
        }
        if let [one, two] = differences.as_slice()
            && (one.first < one.second) == (two.first < two.second)
        {
            seen.uneven = Some(format!(
                "{} µs where the first letter is wrong, {} µs where the last ones are",
                two.first.as_micros(),
                two.second.as_micros()
            ));
        }
        Ok(seen)
    }

    async fn measured(&self, kinds: &[Vec<Request>; 2]) -> [Vec<Duration>; 2] {
        let mut times = [Vec::new(), Vec::new()];
        let mut open = None;
        for number in 0..MEASURED {
            // Which comes first changes, so that what is cached for the second helps neither.
            for kind in if number % 2 == 0 { [0, 1] } else { [1, 0] } {
                self.pace.turn().await;
                let Some(request) = kinds
                    .get(kind)
                    .and_then(|kind| kind.get(number / 2 % kind.len().max(1)))
                else {
                    continue;
                };
                let mut connection = match open.take() {
                    Some(connection) => connection,
                    None => match Connection::open(&self.maker.target).await {
                        Ok(connection) => connection,
                        Err(_) => continue,
                    },
                };
                if let Ok(response) = connection.request(&self.maker.target, request, self.limit).await {
                    if let Some(times) = times.get_mut(kind) {
                        times.push(response.took);
                    }
                    open = response
                        .header("connection")
                        .is_none_or(|value| !value.eq_ignore_ascii_case("close"))
                        .then_some(connection);
                }
            }
        }
        times
    }
}
