//! Does it.

use std::{sync::Arc, time::Duration};

use axum::{Extension, extract::State, response::Response};
use bytes::Bytes;
use http::StatusCode;
use maud::html;
use tower_webhook::{
    inbox::{AnyInbox, InboxAdmin as _},
    store::{AnyStore, Effect, IdempotencyStore as _, Key, Replayed, StoreError},
};

use super::{Action, CAPTURING, Done};
use crate::{
    access::Session,
    inspector::Shared,
    pages,
    params::{Params, link},
    text::{count, length, visible},
};

/// The longest time over which a replay is spread: a day.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The longest reason of a burial, in letters.
const REASON: usize = 200;

/// A form that was confirmed.
pub(crate) async fn perform(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    body: Bytes,
) -> Response {
    let params = Params::read(&body);
    let action = match Action::read(&params) {
        Ok(action) => action,
        Err(why) => return refused(&shared, &session, &why),
    };
    let token = params.get("token").unwrap_or_default();
    if !shared.access.is_form_token(&session, &action.canonical(), token) {
        tracing::warn!(
            verb = action.verb(),
            "a form of the inspector without its token was refused"
        );
        return refused(
            &shared,
            &session,
            "The form is not one that this page has made for you, or your session is over. Nothing was done.",
        );
    }
    let done = act(&shared, &action, &params).await;
    // Who may do what is the application's to know; what was done is in its log.
    tracing::info!(
        verb = action.verb(),
        namespace = ?action.namespace(),
        events = action.keys().len(),
        first = ?action.keys().first().map(|key| key.id().as_str()),
        result = ?done.summary,
        "an operator's action",
    );
    let number = shared.results.add(done).to_string();
    pages::see(&link("result", [("number", number)]))
}

fn refused(shared: &Shared, session: &Session, why: &str) -> Response {
    let main = html! {
        p .problem role="alert" { (visible(why)) }
        p { a href="deliveries" { "All deliveries" } }
    };
    pages::respond(shared, session, StatusCode::FORBIDDEN, "", "Not done", main)
}

async fn act(shared: &Shared, action: &Action, params: &Params) -> Done {
    let endpoint = action.namespace().and_then(|namespace| shared.endpoint(namespace));
    let inbox = endpoint.and_then(|endpoint| endpoint.inbox.as_ref());
    let store = endpoint.and_then(|endpoint| endpoint.store.as_ref());
    match (action, inbox, store) {
        (Action::Replay(keys), Some(inbox), _) => {
            let mut tally = Tally::default();
            for key in keys {
                tally.add(key, replay(inbox, key).await);
            }
            tally.done(action, "replayed: due now, as if new")
        }
        (Action::ReplayAll(filter), Some(inbox), _) => {
            let over = params.duration("over").unwrap_or_default().min(LONGEST);
            match inbox.replay_all(filter, over).await {
                Ok(number) => {
                    let spread = if over.is_zero() {
                        "due now".to_owned()
                    } else {
                        format!("due over the next {}", length(over))
                    };
                    let summary = match number {
                        0 => "Nothing was replayed: nothing matches that is not running.".to_owned(),
                        _ => format!("{} replayed: {spread}.", count(number, "event", "events")),
                    };
                    done(action, summary, number > 0)
                }
                Err(error) => failed(action, &error),
            }
        }
        (Action::Bury(keys), Some(inbox), _) => {
            let reason: String = params.get("reason").unwrap_or_default().chars().take(REASON).collect();
            let reason = match reason.trim() {
                "" => "buried by an operator",
                reason => reason,
            };
            let mut tally = Tally::default();
            for key in keys {
                let effect = inbox.bury(key, reason).await;
                tally.add(
                    key,
                    effect.map(|effect| applied(effect, "it is finished, dead already, or not stored")),
                );
            }
            tally.done(action, "buried: dead until somebody decides otherwise")
        }
        (Action::Forget(keys), _, Some(store)) => {
            let mut tally = Tally::default();
            for key in keys {
                tally.add(key, forget(store, key).await);
            }
            tally.done(action, "forgotten: the next delivery runs as if it were the first")
        }
        (Action::StartCapture, ..) if shared.captures.is_some() => {
            if let Some(captures) = &shared.captures {
                captures.start(CAPTURING);
            }
            let summary = format!("Refused requests are captured for the next {}.", length(CAPTURING));
            done(action, summary, true)
        }
        (Action::StopCapture, ..) if shared.captures.is_some() => {
            if let Some(captures) = &shared.captures {
                captures.stop();
            }
            done(
                action,
                "No more is captured, and what was captured is forgotten.".to_owned(),
                true,
            )
        }
        _ => done(
            action,
            "Nothing was done: the page has no store for this.".to_owned(),
            false,
        ),
    }
}

/// Whether it was done; otherwise why not.
type Ended = Result<Result<(), &'static str>, StoreError>;

async fn replay(inbox: &AnyInbox, key: &Key) -> Ended {
    Ok(match inbox.replay(key).await? {
        Replayed::Applied => Ok(()),
        Replayed::Running => Err("a worker runs it at this moment"),
        Replayed::NoBody => Err("its body is stored no more, so there is nothing to run"),
        _ => Err("the inbox does not know it"),
    })
}

async fn forget(store: &AnyStore, key: &Key) -> Ended {
    Ok(applied(store.forget(key).await?, "the store does not know it"))
}

fn applied(effect: Effect, why: &'static str) -> Result<(), &'static str> {
    match effect {
        Effect::Applied => Ok(()),
        _ => Err(why),
    }
}

#[derive(Default)]
struct Tally {
    done: u64,
    left: Vec<(String, String)>,
}

impl Tally {
    fn add(&mut self, key: &Key, ended: Ended) {
        let why = match ended {
            Ok(Ok(())) => {
                self.done = self.done.saturating_add(1);
                return;
            }
            Ok(Err(why)) => why.to_owned(),
            Err(error) => format!("the store did not respond: {error}"),
        };
        self.left.push((key.id().as_str().to_owned(), why));
    }

    fn done(self, action: &Action, words: &str) -> Done {
        let all = action.keys().len() as u64;
        let summary = if self.left.is_empty() {
            format!("{} {words}.", count(self.done, "event", "events"))
        } else {
            format!("{} of {} {words}.", self.done, count(all, "event", "events"))
        };
        Done {
            left: self.left,
            ..done(action, summary, self.done == all)
        }
    }
}

fn done(action: &Action, summary: String, is_complete: bool) -> Done {
    Done {
        summary,
        left: Vec::new(),
        is_complete,
        back: action.back(),
    }
}

fn failed(action: &Action, error: &StoreError) -> Done {
    done(
        action,
        format!("The store did not respond: {error}. A part may have been done."),
        false,
    )
}
