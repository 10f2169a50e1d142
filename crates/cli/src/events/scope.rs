//! Which events an operator names.

use tower_webhook::{
    event::{EventId, Tenant},
    inbox::{Filter, InboxAdmin as _},
    store::{IdempotencyStore as _, Key},
};

use crate::{
    failure::Failure,
    output::{note, plain},
    store::{Opened, failed},
};

/// With fewer characters than this, an id is mistyped rather than begun.
const BEGINNING: usize = 8;

/// How many are read at a time.
const PAGE: usize = 1000;

/// How many that begin alike are named.
const NAMED: usize = 10;

/// Whose events are meant.
pub(super) struct Scope {
    pub(super) namespace: String,
    pub(super) tenant: Option<Tenant>,
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

    /// The events with these ids, or, where there is none, the one stored delivery whose id begins
    /// so: GitHub's keys are a GUID and the digest of a body, which nobody types. What does not lie
    /// in an inbox is not listed, and goes by its whole id alone.
    pub(super) async fn find(&self, opened: &Opened, ids: &[String]) -> Result<Vec<Key>, Failure> {
        let mut keys = ids.iter().map(|id| self.key(id)).collect::<Result<Vec<_>, _>>()?;
        let mut begun = Vec::new();
        for (place, (key, id)) in keys.iter().zip(ids).enumerate() {
            let is_long = id.chars().count() >= BEGINNING;
            if is_long && opened.store().get(key).await.map_err(failed)?.is_none() {
                begun.push((place, key.id().as_str().to_owned(), Vec::new()));
            }
        }
        self.look_for(opened, &mut begun).await?;
        for (place, beginning, found) in begun {
            match &found[..] {
                [] => {}
                [one] => {
                    note(&plain(&format!("{beginning} is {}", one.id())));
                    if let Some(key) = keys.get_mut(place) {
                        *key = one.clone();
                    }
                }
                _ => {
                    let named: Vec<_> = found.iter().take(NAMED).map(|key| key.id().as_str()).collect();
                    let more = if found.len() > NAMED { ", …" } else { "" };
                    return Err(Failure::usage(format!(
                        "several events begin with {beginning}; expected one of them: {}{more}",
                        plain(&named.join(", "))
                    )));
                }
            }
        }
        Ok(keys)
    }

    /// One walk through the inbox for all of them.
    async fn look_for(&self, opened: &Opened, begun: &mut [(usize, String, Vec<Key>)]) -> Result<(), Failure> {
        let Ok(inbox) = opened.inbox("the beginning of an id") else {
            return Ok(());
        };
        if begun.is_empty() {
            return Ok(());
        }
        let mut filter = Filter::new(&*self.namespace);
        filter.tenant.clone_from(&self.tenant);
        let mut after = None;
        loop {
            let page = inbox.list(&filter, after.as_ref(), PAGE).await.map_err(failed)?;
            for entry in &page.entries {
                for (_, beginning, found) in &mut *begun {
                    if entry.key.id().as_str().starts_with(beginning.as_str()) && found.len() <= NAMED {
                        found.push(entry.key.clone());
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
