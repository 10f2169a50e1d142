//! Cases: deliveries, and what a receiver should do with them.

use std::{fmt, time::SystemTime};

use crate::{
    failure::Failure,
    provider::{Event, Signer, fresh_id},
    wire::{Piece, Request, Target},
};

/// One thing that is tried.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) expected: Expected,
    pub(crate) why: &'static str,
    /// Made when its turn comes: what is signed has a time.
    pub(crate) make: Make,
}

pub(crate) type Make = Box<dyn Fn(&Maker) -> Result<Action, Failure> + Send + Sync>;

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The response that a receiver should give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Refuse it, and run nothing.
    Refused,
    /// Accept each of the deliveries, and run this many times.
    Handled(u64),
    /// Accept it. Whether anything runs is the receiver's affair.
    Acknowledged,
    /// Accept it, with a text of the provider's in the response.
    Echoed,
    /// Anything, as long as it stays up.
    Steady,
    /// Take equally long, whatever of a tag is wrong.
    EvenTimes,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("4xx, nothing runs"),
            Self::Handled(1) => f.write_str("2xx, one run"),
            Self::Handled(runs) => write!(f, "2xx, {runs} runs"),
            Self::Acknowledged => f.write_str("2xx"),
            Self::Echoed => f.write_str("2xx with the challenge's response"),
            Self::Steady => f.write_str("any response below 500"),
            Self::EvenTimes => f.write_str("the same time for each wrong tag"),
        }
    }
}

/// The steps of a case.
#[derive(Debug)]
pub(crate) enum Action {
    /// One delivery after the other, each over a connection of its own.
    InTurn(Vec<Sent>),
    /// All at the same time.
    AtOnce(Vec<Sent>),
    /// One after the other over one connection.
    OneConnection(Vec<Sent>),
    /// Many of the first kind and many of the second, in turn, measured.
    Times([Vec<Request>; 2]),
}

/// A delivery on its way.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) request: Request,
    /// If not simply the request.
    pub(crate) pieces: Option<Vec<Piece>>,
    /// Whether a receiver may close the connection without a response.
    pub(crate) may_close: bool,
    /// A text that the response must hold.
    pub(crate) echo: Option<String>,
}

impl From<Request> for Sent {
    fn from(request: Request) -> Self {
        Self {
            request,
            pieces: None,
            may_close: false,
            echo: None,
        }
    }
}

impl Sent {
    pub(crate) fn in_pieces(request: Request, pieces: Vec<Piece>) -> Self {
        Self {
            pieces: Some(pieces),
            ..Self::from(request)
        }
    }

    pub(crate) fn that_may_be_cut(mut self) -> Self {
        self.may_close = true;
        self
    }
}

/// Makes the deliveries of a run.
pub(crate) struct Maker {
    pub(crate) signer: Signer,
    /// Those of the further secrets, which must be accepted as well.
    pub(crate) others: Vec<Signer>,
    pub(crate) target: Target,
    pub(crate) topic: String,
}

impl Maker {
    /// A fresh one, now.
    pub(crate) fn event(&self) -> Event {
        let now = SystemTime::now();
        Event {
            id: fresh_id(),
            topic: self.topic.clone(),
            created: now,
            sent: now,
        }
    }

    /// A delivery that any receiver should accept.
    pub(crate) fn usual(&self) -> Result<Request, Failure> {
        self.signer.request(&self.event())
    }

    /// The body of an event, to be changed before it is signed.
    pub(crate) fn body_of(&self, event: &Event) -> Result<String, Failure> {
        let body = (self.signer.provider.event)(event);
        serde_json::to_string(&body).map_err(|error| Failure::caused_by("the event cannot be written", &error))
    }

    /// A usual delivery with a tag made of the right one.
    pub(crate) fn with_tag(&self, tag: impl FnOnce(&str) -> String) -> Result<Request, Failure> {
        let mut request = self.usual()?;
        let claims = self.signer.claims(&request);
        let tag = tag(&self.signer.tag(&claims));
        self.signer.put(&mut request, &claims, &tag);
        Ok(request)
    }

    /// The signed body of a fresh event, changed by this.
    pub(crate) fn with_body(&self, change: impl FnOnce(&str) -> String) -> Result<Request, Failure> {
        let event = self.event();
        let body = change(&self.body_of(&event)?);
        self.signer.request_with(&event, body.into_bytes().into())
    }

    /// Signed, then changed by this.
    pub(crate) fn altered(&self, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Request, Failure> {
        let mut request = self.usual()?;
        request.body = change(&request.body).into();
        Ok(request)
    }
}

/// One delivery that must be refused.
pub(crate) fn refused(
    name: impl Into<String>,
    why: &'static str,
    make: impl Fn(&Maker) -> Result<Request, Failure> + Send + Sync + 'static,
) -> Case {
    one(name, Expected::Refused, why, make)
}

/// One delivery.
pub(crate) fn one(
    name: impl Into<String>,
    expected: Expected,
    why: &'static str,
    make: impl Fn(&Maker) -> Result<Request, Failure> + Send + Sync + 'static,
) -> Case {
    several(name, expected, why, move |maker| {
        Ok(Action::InTurn(vec![make(maker)?.into()]))
    })
}

/// Anything.
pub(crate) fn several(
    name: impl Into<String>,
    expected: Expected,
    why: &'static str,
    make: impl Fn(&Maker) -> Result<Action, Failure> + Send + Sync + 'static,
) -> Case {
    Case {
        name: name.into(),
        expected,
        why,
        make: Box::new(make),
    }
}

/// This text within the object that a body is, before its fields.
pub(crate) fn with_field(body: &str, field: &str) -> String {
    match body.strip_prefix('{') {
        Some("}") | None => format!("{{{field}}}"),
        Some(rest) => format!("{{{field},{rest}"),
    }
}

/// The label of tags of a version that nobody knows.
pub(crate) fn of_another_version(label: &str) -> String {
    match label.contains('1') {
        true => label.replace('1', "0"),
        false => format!("x{label}"),
    }
}
