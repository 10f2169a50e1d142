//! Sessions: a browser that has logged in, one that has seen a page, or a program with the token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, header::COOKIE};

use super::keys::{Key, random};

/// For how long a browser stays logged in: a day's work.
pub(crate) const LASTS: Duration = Duration::from_secs(12 * 3600);

/// The session that a form's token is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    id: String,
    is_operator: bool,
    is_new: bool,
}

impl Session {
    /// A new one: a nonce that nobody can guess, and its end.
    pub(super) fn new(is_operator: bool, now: SystemTime) -> Option<Self> {
        let ends = seconds(now).saturating_add(LASTS.as_secs());
        let kind = if is_operator { "operator" } else { "visitor" };
        Some(Self {
            id: format!("{kind}.{ends}.{}", hex::encode(random::<16>()?)),
            is_operator,
            is_new: true,
        })
    }

    /// A program that sends the token with each request: no cookie is needed, and no other site can
    /// have a browser send that header.
    pub(super) fn bearer() -> Self {
        Self {
            id: "bearer".to_owned(),
            is_operator: true,
            is_new: false,
        }
    }

    /// The session that a request's cookie names, if it is one of ours and not over.
    pub(super) fn of(headers: &HeaderMap, key: &Key, now: SystemTime) -> Option<Self> {
        let name = cookie_name(headers);
        let value = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(found, value)| (found == name).then_some(value))?;
        let (id, tag) = value.rsplit_once('.')?;
        if !key.verifies(&["session", id], tag) {
            return None;
        }
        let mut parts = id.split('.');
        let is_operator = parts.next()? == "operator";
        let ends: u64 = parts.next()?.parse().ok()?;
        (seconds(now) < ends).then(|| Self {
            id: id.to_owned(),
            is_operator,
            is_new: false,
        })
    }

    /// Whether it has shown the token.
    pub(super) fn is_operator(&self) -> bool {
        self.is_operator
    }

    /// Whether the browser has no cookie of it yet.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The header that gives it to the browser. It names no path: so the cookie is for the folder
    /// of this page and what is below, wherever the application has mounted it.
    pub(super) fn cookie(&self, headers: &HeaderMap, key: &Key, is_secure: bool) -> String {
        let name = cookie_name(headers);
        let tag = key.tag(&["session", &self.id]);
        let secure = if is_secure { "; Secure" } else { "" };
        let lasts = LASTS.as_secs();
        format!(
            "{name}={}.{tag}; HttpOnly; SameSite=Strict; Max-Age={lasts}{secure}",
            self.id
        )
    }
}

/// A browser shares cookies between all ports of a host, so the port is in the name.
fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let port = host
        .and_then(|host| host.rsplit_once(':'))
        .filter(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or("default", |(_, port)| port);
    format!("inspector-{port}")
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
