//! `events`: what a store remembers, and an operator's verbs for it.

mod batch;
mod show;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tower_webhook::{
    event::{EventId, Tenant},
    inbox::{Entry, Filter, Inbox as _, InboxAdmin as _},
    store::{Effect, IdempotencyStore as _, Key, Replayed, Stage, StoreAdmin as _},
};

use crate::{
    failure::Failure,
    output::{Output, plain},
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
    /// Of this tenant alone, where a layer with tenants stores events: ids are then as the provider
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
        /// At most so many; 0 for all
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Shows one event: its state, its attempts, and what of its delivery is stored
    Show {
        id: String,
        /// Also shows headers and body
        #[arg(long)]
        full: bool,
    },
    /// Lets events run again: one by its id, or all of a selection
    Replay {
        #[command(flatten)]
        which: Which,
        /// Over which time a selection is spread
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time::duration)]
        over: Duration,
    },
    /// Forgets events, so that their next delivery runs as if it were the first
    Forget {
        #[command(flatten)]
        which: Which,
    },
    /// Gives unfinished events up
    Bury {
        #[command(flatten)]
        which: Which,
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
    /// Of this topic
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
struct Which {
    /// The events' ids
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

/// Whose events are meant.
struct Scope {
    namespace: String,
    tenant: Option<Tenant>,
}

impl Scope {
    /// The event with this id: the tenant's own, if one is named.
    fn key(&self, id: &str) -> Result<Key, Failure> {
        let id = EventId::new(id).map_err(|error| Failure::usage(format!("the id is {id}: {error}")))?;
        let id = match &self.tenant {
            Some(tenant) => tenant.id_of(&id),
            None => id,
        };
        Ok(Key::new(&*self.namespace, id))
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

impl Which {
    /// The ids, or nothing where the selection is meant.
    fn keys(&self, scope: &Scope) -> Result<Option<Vec<Key>>, Failure> {
        match (self.ids.is_empty(), self.selection.is_empty() && !self.all) {
            (false, true) => self
                .ids
                .iter()
                .map(|id| scope.key(id))
                .collect::<Result<_, _>>()
                .map(Some),
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
        Verb::Count => count(&opened, &scope.namespace, output).await,
        Verb::List { selection, limit } => list(&opened, &selection.filter(&scope), limit, output).await,
        Verb::Show { id, full } => show::show(&opened, &scope.key(&id)?, full, output).await,
        Verb::Replay { which, over } => replay(&opened, &which, &scope, over, output).await,
        Verb::Forget { which } => {
            let keys = which.keys(&scope)?;
            let filter = which.selection.filter(&scope);
            let store = opened.store();
            let verb = |key: Key| async move { store.forget(&key).await.map(is_applied) };
            batch::each(&opened, keys, &filter, "forgotten", output, verb).await
        }
        Verb::Bury { which, reason } => {
            let keys = which.keys(&scope)?;
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

async fn count(opened: &Opened, namespace: &str, output: Output) -> Result<bool, Failure> {
    let counts = opened.store().count(namespace).await.map_err(failed)?;
    let mut text = format!(
        "claimed {}\nfree {}\ndone {}\ndead {}",
        counts.claimed, counts.free, counts.done, counts.dead
    );
    let mut value = json!({
        "claimed": counts.claimed, "free": counts.free, "done": counts.done, "dead": counts.dead,
    });
    if let Ok(inbox) = opened.inbox("count") {
        let backlog = inbox.backlog(namespace, u64::MAX).await.map_err(failed)?;
        let oldest = backlog.oldest_due.map(|age| age.as_secs());
        text.push_str(&format!(
            "\nin the inbox: due {}, scheduled {}, running {}, dead {}",
            backlog.due, backlog.scheduled, backlog.running, backlog.dead
        ));
        if let Some(seconds) = oldest {
            text.push_str(&format!("; the oldest has been due for {seconds} s"));
        }
        let inbox = json!({
            "due": backlog.due, "scheduled": backlog.scheduled, "running": backlog.running, "dead": backlog.dead,
            "oldest_due_s": oldest,
        });
        if let Value::Object(value) = &mut value {
            value.insert("inbox".to_owned(), inbox);
        }
    }
    output.print(|| text, &value);
    Ok(true)
}

async fn list(opened: &Opened, filter: &Filter, limit: usize, output: Output) -> Result<bool, Failure> {
    let inbox = opened.inbox("list")?;
    let limit = if limit == 0 { usize::MAX } else { limit };
    let (mut after, mut entries): (_, Vec<Entry>) = (None, Vec::new());
    loop {
        let size = 500.min(limit - entries.len());
        let page = inbox.list(filter, after.as_ref(), size).await.map_err(failed)?;
        entries.extend(page.entries);
        after = page.next;
        if after.is_none() || entries.len() >= limit {
            break;
        }
    }
    let is_cut = after.is_some();
    let values: Vec<Value> = entries.iter().map(show::entry).collect();
    let text = || {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["received", "stage", "attempts", "topic", "id"]);
        for entry in &entries {
            table.add_row([
                time::write(entry.received_at),
                entry.stage.to_string(),
                entry.attempts.to_string(),
                plain(&entry.topic),
                plain(entry.key.id().as_str()),
            ]);
        }
        let more = if is_cut {
            "\nthere are more: --limit 0 lists all"
        } else {
            ""
        };
        format!("{table}{more}")
    };
    output.print(text, &json!({ "events": values, "more": is_cut }));
    Ok(!entries.is_empty())
}

async fn replay(
    opened: &Opened,
    which: &Which,
    scope: &Scope,
    over: Duration,
    output: Output,
) -> Result<bool, Failure> {
    let inbox = opened.inbox("replay")?;
    let filter = which.selection.filter(scope);
    match which.keys(scope)? {
        Some(keys) => {
            let verb = |key: Key| async move {
                inbox.replay(&key).await.map(|replayed| match replayed {
                    Replayed::Applied => Ok(()),
                    Replayed::Running => Err("it runs at this moment"),
                    Replayed::NoBody => Err("its body is not stored any more"),
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
