//! `events`: what a store remembers, and an operator's verbs for it.

mod batch;
mod list;
mod scope;
mod show;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use tower_webhook::{
    event::Tenant,
    inbox::{AnyInbox, Filter, InboxAdmin as _},
    store::{Effect, IdempotencyStore as _, Key, Replayed, Stage, State, StoreError},
};

use self::scope::Scope;
use crate::{
    failure::Failure,
    output::Output,
    store::{self, Opened, failed},
    time,
};

/// What is stored: lists it, shows one event, and lets it run again, be given up or be forgotten
///
/// Exit code: 0 if it was done, 1 if there was nothing of the kind, 2 if it could not be done.
#[derive(Args)]
pub(crate) struct EventsArgs {
    /// The store: sqlite:<path>, postgres://…, redis://…, redis+cluster://… or redis+sentinel://…
    /// It may hold a password: prefer the environment variable STORE to the argument
    #[arg(long, env = "STORE", hide_env_values = true, global = true, value_name = "URL")]
    store: Option<String>,
    /// Which events: the provider's name, unless the layer has another namespace
    #[arg(long, short, global = true)]
    namespace: Option<String>,
    /// Only this tenant's, where a layer with tenants stores events: ids are then as the provider
    /// gives them
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<Tenant>,
    #[command(subcommand)]
    verb: Verb,
}

/// Without the store's URL, which may hold a password.
impl fmt::Debug for EventsArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsArgs")
            .field("namespace", &self.namespace)
            .field("tenant", &self.tenant)
            .field("verb", &self.verb)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// How many events are in which state
    Count,
    /// Lists stored deliveries, the oldest first
    List {
        #[command(flatten)]
        selection: Selection,
        /// At most this many; 0 for all
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Shows one event: its state, its attempts, and what of its delivery is stored
    Show {
        /// The event's id, or 8 or more characters of its beginning, if it lies in an inbox and no
        /// other begins with them
        id: String,
        /// Also shows headers and body
        #[arg(long)]
        full: bool,
    },
    /// Lets events run again: one by its id, or all of a selection
    Replay {
        #[command(flatten)]
        which: Targets,
        /// Over which time a selection is spread
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time::duration)]
        over: Duration,
    },
    /// Forgets events, so that their next delivery runs as if it were the first
    Forget {
        #[command(flatten)]
        which: Targets,
    },
    /// Gives unfinished events up
    Bury {
        #[command(flatten)]
        which: Targets,
        /// What the event's history says
        #[arg(long, default_value = "buried by an operator")]
        reason: String,
    },
    /// Removes what is past its retention, of all namespaces
    Purge,
}

/// Which of the stored deliveries.
#[derive(Args, Clone, Debug)]
struct Selection {
    /// In this stage
    #[arg(long, value_enum)]
    stage: Option<StageArg>,
    /// Only events of this topic
    #[arg(long)]
    topic: Option<String>,
    /// Stored since: a time in RFC 3339, a day, or an age (3h)
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    since: Option<SystemTime>,
    /// Stored before: a time in RFC 3339, a day, or an age (3h)
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    before: Option<SystemTime>,
}

/// Some by their ids, or a selection.
#[derive(Args, Clone, Debug)]
struct Targets {
    /// The events' ids, or 8 or more characters of the beginning of each, as for `show`
    ids: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Confirms that the whole selection is meant
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StageArg {
    Waiting,
    Running,
    Done,
    Dead,
}

impl From<StageArg> for Stage {
    fn from(stage: StageArg) -> Self {
        match stage {
            StageArg::Waiting => Self::Waiting,
            StageArg::Running => Self::Running,
            StageArg::Done => Self::Done,
            StageArg::Dead => Self::Dead,
        }
    }
}

impl Verb {
    /// The name of a verb that a store of records cannot do.
    fn that_needs_deliveries(&self) -> Option<&'static str> {
        match self {
            Self::List { .. } => Some("list"),
            Self::Replay { .. } => Some("replay"),
            Self::Bury { .. } => Some("bury"),
            Self::Count | Self::Show { .. } | Self::Forget { .. } | Self::Purge => None,
        }
    }

    /// The name of a verb that no tenant restricts.
    fn that_is_for_all_tenants(&self) -> Option<&'static str> {
        match self {
            Self::Count => Some("count"),
            Self::Purge => Some("purge"),
            Self::List { .. } | Self::Show { .. } | Self::Replay { .. } | Self::Forget { .. } | Self::Bury { .. } => {
                None
            }
        }
    }
}

impl Selection {
    fn filter(&self, scope: &Scope) -> Filter {
        let mut filter = Filter::new(&*scope.namespace);
        filter.tenant.clone_from(&scope.tenant);
        filter.stage = self.stage.map(Stage::from);
        filter.topic.clone_from(&self.topic);
        filter.since = self.since;
        filter.before = self.before;
        filter
    }

    fn is_empty(&self) -> bool {
        self.stage.is_none() && self.topic.is_none() && self.since.is_none() && self.before.is_none()
    }
}

impl Targets {
    /// The events that are named, or nothing where the selection is meant.
    async fn keys(&self, opened: &Opened, scope: &Scope) -> Result<Option<Vec<Key>>, Failure> {
        match (self.ids.is_empty(), self.selection.is_empty() && !self.all) {
            (false, true) => scope.find(opened, &self.ids).await.map(Some),
            (false, false) => Err(Failure::usage(
                "both ids and a selection are given; expected one of them: leave the other out",
            )),
            (true, true) => Err(Failure::usage(
                "no event is named; expected ids, or a selection (--stage dead, say) with --all",
            )),
            (true, false) if !self.all => Err(Failure::usage(
                "a selection is given without --all; expected it: look at `events list` with the same selection first",
            )),
            (true, false) => Ok(None),
        }
    }
}

/// Whether there was something to do.
pub(crate) async fn events(arguments: EventsArgs, output: Output) -> Result<bool, Failure> {
    let url = store::url(arguments.store)?;
    if let Some(verb) = arguments.verb.that_needs_deliveries() {
        store::refuse_records(&url, verb)?;
    }
    let opened = store::open(&url).await?;
    if let (Some(_), Some(verb)) = (&arguments.tenant, arguments.verb.that_is_for_all_tenants()) {
        return Err(Failure::usage(format!(
            "--tenant is given to {verb}, which is for all tenants; expected list, show, replay, forget or bury with \
             it: leave it out"
        )));
    }
    if let Verb::Purge = arguments.verb {
        return batch::purge(&opened, output).await;
    }
    let namespace = arguments.namespace.ok_or_else(|| {
        Failure::usage("--namespace is missing; expected the provider's name, or what the layer's builder has")
    })?;
    let scope = Scope {
        namespace,
        tenant: arguments.tenant,
    };
    match arguments.verb {
        Verb::Purge => Ok(true),
        Verb::Count => list::count(&opened, &scope.namespace, output).await,
        Verb::List { selection, limit } => list::list(&opened, &selection.filter(&scope), limit, output).await,
        Verb::Show { id, full } => {
            let keys = scope.find(&opened, &[id]).await?;
            match keys.first() {
                Some(key) => show::show(&opened, key, full, output).await,
                None => Ok(false),
            }
        }
        Verb::Replay { which, over } => replay(&opened, &which, &scope, over, output).await,
        Verb::Forget { which } => {
            let keys = which.keys(&opened, &scope).await?;
            let filter = which.selection.filter(&scope);
            let store = opened.store();
            let verb = |key: Key| async move { store.forget(&key).await.map(is_applied) };
            batch::each(&opened, keys, &filter, "forgotten", output, verb).await
        }
        Verb::Bury { which, reason } => {
            let keys = which.keys(&opened, &scope).await?;
            let filter = which.selection.filter(&scope);
            let (inbox, reason) = (opened.inbox("bury")?, &reason);
            let verb = |key: Key| async move { inbox.bury(&key, reason).await.map(is_applied) };
            batch::each(&opened, keys, &filter, "buried", output, verb).await
        }
    }
}

fn is_applied(effect: Effect) -> Result<(), &'static str> {
    match effect {
        Effect::Applied => Ok(()),
        _ => Err("there is nothing to change"),
    }
}

async fn replay(
    opened: &Opened,
    which: &Targets,
    scope: &Scope,
    over: Duration,
    output: Output,
) -> Result<bool, Failure> {
    let inbox = opened.inbox("replay")?;
    let filter = which.selection.filter(scope);
    match which.keys(opened, scope).await? {
        Some(keys) => {
            let verb = |key: Key| async move {
                Ok(match inbox.replay(&key).await? {
                    Replayed::Applied => Ok(()),
                    Replayed::Running => Err("it runs at this moment"),
                    Replayed::NoBody => Err(why_no_body(inbox, &key).await?),
                    _ => Err("there is no such event"),
                })
            };
            batch::each(opened, Some(keys), &filter, "replayed", output, verb).await
        }
        None => {
            let replayed = inbox.replay_all(&filter, over).await.map_err(failed)?;
            output.print(|| format!("{replayed} replayed"), &json!({ "replayed": replayed }));
            Ok(replayed > 0)
        }
    }
}

/// Why nothing of an event is stored, as far as that can be told: a record does not say whether it
/// ever was.
async fn why_no_body(inbox: &AnyInbox, key: &Key) -> Result<&'static str, StoreError> {
    let is_finished = inbox
        .get(key)
        .await?
        .is_some_and(|record| matches!(record.state, State::Done { .. }));
    if !is_finished {
        return Ok("its body was never stored: it came to an endpoint without an inbox");
    }
    let others = inbox.list(&Filter::new(key.namespace()), None, 1).await?;
    Ok(match others.entries.is_empty() {
        true => {
            "its body was never stored, since its endpoint has no inbox; or no body of this namespace was kept for so \
             long"
        }
        false => "its body is not stored any more; or it came to an endpoint without an inbox",
    })
}
