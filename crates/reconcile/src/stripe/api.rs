use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::Event;
use crate::{
    Error, ErrorKind, Options, Pages,
    http::{Api, Auth, Call, ErrorWords, Profile, Transport, unreadable},
    lenient::{self, Fields, raw_text},
    pages::{Page, pages},
    secret::Secret,
};

/// The base URL of Stripe's API, for live and test mode alike.
pub const STRIPE_COM: &str = "https://api.stripe.com";

/// The most entries that a page may have.
const LIMIT: u32 = 100;

/// A client of Stripe's API. Cheap to clone.
#[derive(Clone)]
pub struct StripeApi {
    api: Arc<Api>,
    account: Option<HeaderValue>,
}

impl StripeApi {
    /// A client with a secret key (`sk_…`), or a restricted one (`rk_…`) that may read events.
    ///
    /// # Errors
    /// No HTTP client can be built.
    pub fn new(key: &str) -> Result<Self, Error> {
        Self::with_options(STRIPE_COM, key, Options::new())
    }

    /// A client for a stand-in of Stripe's API, or with options.
    ///
    /// # Errors
    /// The base URL is not `https://…`, or no HTTP client can be built.
    pub fn with_options(base: &str, key: &str, options: Options) -> Result<Self, Error> {
        let transport = Arc::new(Transport::new(profile(), base, options)?);
        Ok(Self {
            api: Arc::new(Api::new(transport, Auth::Fixed(Secret::new(key)))),
            account: None,
        })
    }

    /// The provider's time, by its last response (`Date`), in whole seconds. `None` before it.
    #[must_use]
    pub fn provider_time(&self) -> Option<SystemTime> {
        self.api.provider_time()
    }

    /// The events of a connected account (`acct_…`) instead of the key's own.
    ///
    /// # Errors
    /// The id holds a character that no header can.
    pub fn on_behalf_of(mut self, account: &str) -> Result<Self, Error> {
        self.account = Some(HeaderValue::from_str(account).map_err(|_| {
            Error::new(
                ErrorKind::Config,
                "the account's id holds a character that no header can; expected acct_…",
            )
        })?);
        Ok(self)
    }

    /// The events.
    pub fn events(&self) -> Events {
        Events {
            api: self.clone(),
            limit: LIMIT,
            created_from: None,
            created_until: None,
            delivery_success: None,
            types: Vec::new(),
        }
    }

    /// An event.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an event of more than 30 days ago, among others.
    pub async fn event(&self, id: &str) -> Result<Event, Error> {
        let url = self.api.base().at(&["v1", "events", id])?;
        let response = self.api.send(self.call(url)).await?;
        Event::read(response.body.clone()).map_err(|error| unreadable(&response.url, &error))
    }

    /// The connected account's id.
    pub(super) fn account_id(&self) -> Option<&str> {
        self.account.as_ref()?.to_str().ok()
    }

    fn call(&self, url: Url) -> Call {
        let call = Call::get(url);
        match &self.account {
            Some(account) => call.header(HeaderName::from_static("stripe-account"), account.clone()),
            None => call,
        }
    }
}

impl fmt::Debug for StripeApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeApi")
            .field("base", &self.api.base().url().as_str())
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// The events, and which of them to list.
#[derive(Clone, Debug)]
#[must_use]
pub struct Events {
    pub(crate) api: StripeApi,
    limit: u32,
    created_from: Option<u64>,
    pub(super) created_until: Option<u64>,
    delivery_success: Option<bool>,
    types: Vec<String>,
}

impl Events {
    /// How many entries a page has. Default and maximum: 100.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Only events from this second on.
    pub fn created_from(mut self, from: SystemTime) -> Self {
        self.created_from = seconds(from);
        self
    }

    /// Only events up to this second.
    pub fn created_until(mut self, until: SystemTime) -> Self {
        self.created_until = seconds(until);
        self
    }

    /// Only events that all endpoints have taken, or only those that one of them has not.
    pub fn delivery_success(mut self, success: bool) -> Self {
        self.delivery_success = Some(success);
        self
    }

    /// Only events of these types; Stripe accepts up to 20 of them.
    pub fn types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// The events, page after page, newest first.
    pub fn list(&self) -> Pages<Event> {
        let client = self.api.clone();
        pages(
            self.url(),
            client.api.max_pages(),
            |event: &Event| &event.id,
            move |url| {
                let client = client.clone();
                async move { client.page(url).await }
            },
        )
    }

    fn url(&self) -> Result<Url, Error> {
        let mut url = self.api.api.base().at(&["v1", "events"])?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("limit", &self.limit.to_string());
            if let Some(from) = self.created_from {
                query.append_pair("created[gte]", &from.to_string());
            }
            if let Some(until) = self.created_until {
                query.append_pair("created[lte]", &until.to_string());
            }
            if let Some(success) = self.delivery_success {
                query.append_pair("delivery_success", if success { "true" } else { "false" });
            }
            for name in &self.types {
                query.append_pair("types[]", name);
            }
        }
        Ok(url)
    }
}

impl StripeApi {
    async fn page(&self, url: Url) -> Result<Page<Event>, Error> {
        /// The entries' own text is kept: it is what goes to the receiver.
        #[derive(Deserialize)]
        struct List<'a> {
            #[serde(borrow)]
            data: Vec<&'a RawValue>,
            #[serde(default)]
            has_more: bool,
        }

        let response = self.api.send(self.call(url.clone())).await?;
        let readable = |error| unreadable(&response.url, &error);
        let list: List<'_> = serde_json::from_slice(&response.body).map_err(readable)?;
        let mut entries = Vec::with_capacity(list.data.len());
        for event in list.data {
            entries.push(Event::read(raw_text(event)).map_err(readable)?);
        }
        let last = entries.last().filter(|_| list.has_more);
        Ok(Page {
            next: last.map(|event| after(&url, &event.id)),
            entries,
        })
    }
}

/// The page of a list that follows an entry.
fn after(url: &Url, id: &str) -> Url {
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "starting_after")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut next = url.clone();
    next.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .append_pair("starting_after", id);
    next
}

fn seconds(time: SystemTime) -> Option<u64> {
    Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
}

fn profile() -> Profile {
    Profile {
        name: "Stripe",
        accept: "application/json",
        version: None,
        request_id: "request-id",
        // Stripe names no time and asks for backoff, which the retries have anyway.
        rate_pause: Duration::ZERO,
        read_error,
    }
}

/// `{error: {type, code, message}}`
fn read_error(body: &[u8]) -> ErrorWords {
    let fields = lenient::from_slice::<Fields>(body).ok();
    let Some(mut error) = fields.and_then(|mut fields| fields.object::<Fields>("error")) else {
        return ErrorWords::default();
    };
    ErrorWords {
        code: error.text("code").or_else(|| error.text("type")),
        message: error.text("message"),
    }
}
