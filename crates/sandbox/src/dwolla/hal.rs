//! Resources with links, and pages of them.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{HAL, errors::Refusal};
use crate::{
    http::{Incoming, json as respond},
    shelf::{self, Shelved},
};

/// The most entries of a page that Dwolla documents.
const MOST: usize = 200;

pub(super) fn resource(body: &impl Serialize) -> Response {
    respond(StatusCode::OK, HAL, body)
}

/// Which part of a list was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paging {
    limit: usize,
    offset: usize,
}

impl Paging {
    pub(super) fn read(request: &Incoming) -> Result<Self, Refusal> {
        let number = |name, otherwise| match request.parameter(name) {
            Some(text) => text.parse().map_err(|_| name),
            None => Ok(otherwise),
        };
        let refuse = |name| match name {
            "limit" => Refusal::validation(&[("InvalidFormat", "Limit must be a number.", "/limit")]),
            _ => Refusal::validation(&[("InvalidFormat", "Offset must be a number.", "/offset")]),
        };
        let limit: usize = number("limit", 25).map_err(refuse)?;
        let offset = number("offset", 0).map_err(refuse)?;
        Ok(Self {
            limit: limit.clamp(1, MOST),
            offset,
        })
    }

    /// The part of a list, newest first.
    pub(super) fn of<'a, T: Shelved>(self, list: &shelf::List<'a, T>) -> impl Iterator<Item = &'a T> + use<'a, T> {
        list.page(self.offset, self.limit)
    }

    /// The part of what was found.
    pub(super) fn among<T>(self, found: Vec<T>) -> impl Iterator<Item = T> {
        found.into_iter().skip(self.offset).take(self.limit)
    }

    /// The page with these entries of `total`. `filters` are the parameters that its links keep.
    pub(super) fn page(
        self,
        url: &str,
        filters: &[(&str, &str)],
        name: &str,
        total: usize,
        entries: Vec<Box<RawValue>>,
    ) -> List {
        let at = |offset: usize| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", &self.limit.to_string());
            query.append_pair("offset", &offset.to_string());
            query.extend_pairs(filters);
            json!({ "href": format!("{url}?{}", query.finish()) })
        };
        let mut links = serde_json::Map::new();
        links.insert("self".into(), at(self.offset));
        links.insert("first".into(), at(0));
        links.insert("last".into(), at(total.saturating_sub(1) / self.limit * self.limit));
        let next = self.offset.saturating_add(entries.len());
        if !entries.is_empty() && next < total {
            links.insert("next".into(), at(next));
        }
        list(links.into(), name, entries, total)
    }
}

/// A list. Its entries are kept in their own texts: a fired event may be odd.
#[derive(Serialize)]
pub(super) struct List {
    #[serde(rename = "_links")]
    links: Value,
    #[serde(rename = "_embedded")]
    embedded: BTreeMap<String, Vec<Box<RawValue>>>,
    total: usize,
}

/// A list that comes in one piece.
pub(super) fn whole_list(url: &str, name: &str, entries: impl Iterator<Item = Value>) -> List {
    let entries: Vec<Box<RawValue>> = entries.filter_map(|entry| raw(&entry)).collect();
    let total = entries.len();
    list(json!({ "self": { "href": url } }), name, entries, total)
}

/// The text of an entry.
pub(super) fn raw(entry: &Value) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(entry).ok()
}

fn list(links: Value, name: &str, entries: Vec<Box<RawValue>>, total: usize) -> List {
    List {
        links,
        embedded: BTreeMap::from([(name.to_owned(), entries)]),
        total,
    }
}
