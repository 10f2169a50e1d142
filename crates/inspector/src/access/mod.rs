//! Who may see the page.

mod attempts;
mod check;
mod keys;
mod loopback;
mod origin;
mod session;

use std::{fmt, net::IpAddr, sync::Arc, time::SystemTime};

use http::request::Parts;

pub(crate) use check::{Denied, address, check};
pub(crate) use loopback::is_local;
pub(crate) use session::Session;

use self::{attempts::Attempts, keys::Key};
use crate::BuildError;

type Check = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// Who may see the page, and act. There is no page without one.
///
/// ```
/// use tower_webhook_inspector::{Access, Inspector};
///
/// let page = Inspector::builder(Access::token("a long random text, from the environment"))
///     .build()?;
///
/// let refused = Inspector::builder(Access::token("short")).build().unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "the token has 5 bytes; expected at least 16, at random: make one by `openssl rand -hex 32`"
/// );
/// # Ok::<(), tower_webhook_inspector::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Access(Kind);

#[derive(Clone)]
enum Kind {
    Token(String),
    Application(Check),
    Loopback,
}

impl Access {
    /// The shortest token, in bytes.
    pub const SHORTEST_TOKEN: usize = 16;

    /// Anyone with this token: a browser by a form, whose session lasts 12 hours, and a program by
    /// `Authorization: Bearer`. Ten wrong tokens a minute are heard from one address.
    ///
    /// The session's cookie is made from the token, so processes with one token share sessions, and
    /// another token ends all of them.
    pub fn token(token: impl Into<String>) -> Self {
        Self(Kind::Token(token.into()))
    }

    /// Anyone this function lets in, which looks at what the application's own authentication has
    /// left in the request. Without that layer there is nothing to be found, and nobody is let in.
    ///
    /// ```
    /// use tower_webhook_inspector::{Access, Inspector};
    ///
    /// /// What the application's own layer puts into the request's extensions.
    /// #[derive(Clone)]
    /// struct User {
    ///     is_operator: bool,
    /// }
    ///
    /// let access = Access::application(|parts| {
    ///     parts.extensions.get::<User>().is_some_and(|user| user.is_operator)
    /// });
    /// let page: axum::Router = Inspector::builder(access).build()?;
    /// // let app = app.nest("/inspector", page).layer(my_authentication);
    /// # Ok::<(), tower_webhook_inspector::BuildError>(())
    /// ```
    pub fn application(is_allowed: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        Self(Kind::Application(Arc::new(is_allowed)))
    }

    /// Anyone on this machine: the peer's address is a loopback address, the `Host` a name of
    /// this machine, and no proxy has touched the request. For development.
    ///
    /// Serve the app with `into_make_service_with_connect_info::<SocketAddr>()`; where the peer's
    /// address is unknown, everybody is refused.
    ///
    /// # Security
    /// Every user and process of the machine is let in. So is a client that uses a tunnel which
    /// sets `Host` to a local name and adds no header of a proxy: `ssh -R`, say.
    #[must_use]
    pub fn loopback_only() -> Self {
        Self(Kind::Loopback)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Token(_) => "Access::token(…)",
            Kind::Application(_) => "Access::application(…)",
            Kind::Loopback => "Access::loopback_only()",
        })
    }
}

/// An [`Access`] at work.
pub(crate) struct AccessState {
    kind: Allowed,
    /// The key that signs sessions and forms.
    key: Key,
    attempts: Attempts,
}

enum Allowed {
    /// The tag of the token. It is compared by tags, so that its length shows in no time, either.
    Token(String),
    Application(Check),
    Loopback,
}

impl AccessState {
    pub(crate) fn new(access: Access) -> Result<Self, BuildError> {
        let random = || Key::random().ok_or_else(BuildError::no_random_numbers);
        let (kind, key) = match access.0 {
            Kind::Token(token) => {
                if token.len() < Access::SHORTEST_TOKEN {
                    return Err(BuildError::short_token(token.len()));
                }
                let key = Key::derived(&token).ok_or_else(BuildError::no_random_numbers)?;
                (Allowed::Token(key.tag(&["token", &token])), key)
            }
            Kind::Application(is_allowed) => (Allowed::Application(is_allowed), random()?),
            Kind::Loopback => (Allowed::Loopback, random()?),
        };
        Ok(Self {
            kind,
            key,
            attempts: Attempts::default(),
        })
    }

    /// Whether there is a form to log in by.
    pub(crate) fn has_login(&self) -> bool {
        matches!(self.kind, Allowed::Token(_))
    }

    /// Whether this is the token. Wrong ones are counted.
    ///
    /// # Errors
    /// Too many were wrong.
    pub(crate) fn is_token(&self, given: &str, address: Option<IpAddr>, now: SystemTime) -> Result<bool, Denied> {
        let Allowed::Token(tag) = &self.kind else {
            return Ok(false);
        };
        if let Some(wait) = self.attempts.blocked(address, now) {
            return Err(Denied::TooManyAttempts(wait));
        }
        let is_right = self.key.verifies(&["token", given], tag);
        if !is_right {
            self.attempts.failed(address, now);
        }
        Ok(is_right)
    }

    /// The token of a form that does this: bound to the session, and to what is done.
    pub(crate) fn form_token(&self, session: &Session, action: &str) -> String {
        self.key.tag(&["form", session.id(), action])
    }

    /// Whether a form holds it.
    pub(crate) fn is_form_token(&self, session: &Session, action: &str, token: &str) -> bool {
        self.key.verifies(&["form", session.id(), action], token)
    }

    /// The cookie of a browser that has logged in.
    pub(crate) fn login(&self, parts: &Parts, now: SystemTime) -> Option<String> {
        let session = Session::new(true, now)?;
        Some(session.cookie(&parts.headers, &self.key, !loopback::is_local(parts)))
    }

    /// The cookie of one that has logged out: a visitor's.
    pub(crate) fn logout(&self, parts: &Parts, now: SystemTime) -> Option<String> {
        let session = Session::new(false, now)?;
        Some(session.cookie(&parts.headers, &self.key, !loopback::is_local(parts)))
    }
}
