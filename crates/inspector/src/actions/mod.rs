//! An operator's actions, each with a page that asks whether it is meant.

mod perform;
mod results;

use std::time::{Duration, SystemTime};

pub(crate) use perform::perform;
pub(crate) use results::{Done, Results};
use tower_webhook::{event::EventId, inbox::Filter, store::Key};

use crate::{
    pages::inbox,
    params::{Params, link},
    text::rfc3339,
};

/// For how long refused requests are captured, at a time.
pub(crate) const CAPTURING: Duration = Duration::from_secs(600);

/// How many events one action may concern: as many as a page lists.
pub(crate) const MOST: usize = 50;

/// Something that changes what is stored, or what is captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Makes these due again.
    Replay(Vec<Key>),
    /// Makes all of a filter due again.
    ReplayAll(Filter),
    /// Gives these up.
    Bury(Vec<Key>),
    /// Forgets these.
    Forget(Vec<Key>),
    /// Captures refused requests for a while.
    StartCapture,
    /// Captures no more, and forgets what was captured.
    StopCapture,
}

impl Action {
    /// Reads the action of a link or a form.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn read(params: &Params) -> Result<Self, String> {
        let verb = params.get("verb").unwrap_or_default();
        let namespace = params.get("namespace");
        let keys = || -> Result<Vec<Key>, String> {
            let namespace = namespace.ok_or("No namespace is named.")?;
            let mut keys = Vec::new();
            for id in params.all("id").take(MOST + 1) {
                let id = EventId::new(id).map_err(|error| format!("An id is none: {error}."))?;
                let key = Key::new(namespace, id);
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
            match keys.len() {
                0 => Err("No event is selected: go back and select some.".to_owned()),
                1..=MOST => Ok(keys),
                _ => Err(format!(
                    "More than {MOST} events are selected; expected at most so many."
                )),
            }
        };
        match verb {
            "replay" => Ok(Self::Replay(keys()?)),
            "bury" => Ok(Self::Bury(keys()?)),
            "forget" => Ok(Self::Forget(keys()?)),
            "replay-all" => {
                let namespace = namespace.ok_or("No namespace is named.")?;
                Ok(Self::ReplayAll(inbox::filter(params, namespace)?))
            }
            "start-capture" => Ok(Self::StartCapture),
            "stop-capture" => Ok(Self::StopCapture),
            _ => Err("There is no such verb.".to_owned()),
        }
    }

    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Replay(_) => "replay",
            Self::ReplayAll(_) => "replay-all",
            Self::Bury(_) => "bury",
            Self::Forget(_) => "forget",
            Self::StartCapture => "start-capture",
            Self::StopCapture => "stop-capture",
        }
    }

    /// The events that are named.
    pub(crate) fn keys(&self) -> &[Key] {
        match self {
            Self::Replay(keys) | Self::Bury(keys) | Self::Forget(keys) => keys,
            _ => &[],
        }
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        match self {
            Self::ReplayAll(filter) => Some(&filter.namespace),
            _ => self.keys().first().map(Key::namespace),
        }
    }

    /// The fields of a form that is read again as the same action.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("verb", self.verb().to_owned())];
        fields.extend(self.namespace().map(|namespace| ("namespace", namespace.to_owned())));
        fields.extend(self.keys().iter().map(|key| ("id", key.id().as_str().to_owned())));
        if let Self::ReplayAll(filter) = self {
            fields.extend(filter.stage.map(|stage| ("stage", stage.as_str().to_owned())));
            let tenant = filter.tenant.as_ref().map(ToString::to_string);
            fields.extend(tenant.map(|tenant| ("tenant", tenant)));
            fields.extend(filter.topic.clone().map(|topic| ("topic", topic)));
            let time = |time: Option<SystemTime>| time.and_then(rfc3339);
            fields.extend(time(filter.since).map(|since| ("since", since)));
            fields.extend(time(filter.before).map(|before| ("before", before)));
        }
        fields
    }

    /// The action as one text: a form's token is bound to it, so that what is done is what was
    /// asked about.
    pub(crate) fn canonical(&self) -> String {
        link("do", self.fields())
    }

    /// The page that it was asked from.
    pub(crate) fn back(&self) -> String {
        match (self, self.keys()) {
            (Self::StartCapture | Self::StopCapture, _) => "refused".to_owned(),
            (_, [key]) => link("event", [("namespace", key.namespace()), ("id", key.id().as_str())]),
            _ => link("inbox", self.namespace().map(|namespace| ("namespace", namespace))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_read_from_its_own_fields() {
        for query in [
            "verb=replay&namespace=dwolla&id=a&id=b%26c&id=a",
            "verb=bury&namespace=dwolla&id=%20a",
            "verb=forget&namespace=dwolla&id=%3Cscript%3E",
            "verb=replay-all&namespace=dwolla",
            "verb=replay-all&namespace=d&stage=dead&tenant=acme&topic=t%3D&since=2026-01-01T00:00&before=2026-01-02T00:00:05Z",
            "verb=start-capture",
            "verb=stop-capture",
        ] {
            let action = Action::read(&Params::read(query.as_bytes())).unwrap();
            let canonical = action.canonical();
            let again = canonical.strip_prefix("do?").unwrap();
            assert_eq!(Action::read(&Params::read(again.as_bytes())), Ok(action), "{query}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for query in [
            "",
            "verb=drop",
            "verb=replay",
            "verb=replay&id=1",
            "verb=bury&namespace=d",
            "verb=forget&namespace=d&id=",
            // What cannot be read would mean more if it were left out.
            "verb=replay-all&namespace=d&stage=deaad",
            "verb=replay-all&namespace=d&tenant=a%2Fb",
            "verb=replay-all&namespace=d&since=yesterday",
            "verb=replay-all&namespace=d&before=yesterday",
        ] {
            assert!(Action::read(&Params::read(query.as_bytes())).is_err(), "{query}");
        }
        let many: String = (0..=MOST).map(|id| format!("&id={id}")).collect();
        assert!(Action::read(&Params::read(format!("verb=replay&namespace=d{many}").as_bytes())).is_err());
    }
}
