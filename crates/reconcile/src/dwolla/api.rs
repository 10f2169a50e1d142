use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;

use super::{Event, Events, Retry, Subscription, Webhook, Webhooks, queries::LIMIT};
use crate::{
    AccessToken, Error, ErrorKind, Options, Pages,
    http::{Api, Auth, Authorization, Call, ErrorWords, Profile, Response, TokenSource, Transport, unreadable},
    lenient::{self, Fields, last_segment},
    pages::{Page, pages},
    secret::Secret,
};

/// The base URL of Dwolla's production API.
pub const PRODUCTION: &str = "https://api.dwolla.com";

/// The base URL of Dwolla's sandbox.
pub const SANDBOX: &str = "https://api-sandbox.dwolla.com";

const HAL: &str = "application/vnd.dwolla.v1.hal+json";

/// A client of Dwolla's API. Cheap to clone; clones share the token.
///
/// A token is fetched with the first call and renewed 60 seconds before it expires. Callers that
/// need a token at the same time share one request for it.
#[derive(Clone)]
pub struct DwollaApi(pub(super) Arc<Api>);

impl DwollaApi {
    /// A client for an environment ([`PRODUCTION`], [`SANDBOX`], or the URL of a stand-in), with
    /// the application's key and secret.
    ///
    /// # Errors
    /// The base URL is not `https://…`, or no HTTP client can be built.
    pub fn new(base: &str, client_id: &str, client_secret: &str) -> Result<Self, Error> {
        Self::with_options(base, client_id, client_secret, Options::new())
    }

    /// Like [`new`](Self::new), with options.
    ///
    /// # Errors
    /// The base URL is not `https://…`, or no HTTP client can be built.
    pub fn with_options(base: &str, client_id: &str, client_secret: &str, options: Options) -> Result<Self, Error> {
        let transport = Arc::new(Transport::new(profile(), base, options)?);
        let credentials = Arc::new((client_id.to_owned(), Secret::new(client_secret)));
        let tokens = TokenSource::new(transport.timer(), {
            let transport = Arc::clone(&transport);
            move || fetch_token(Arc::clone(&transport), Arc::clone(&credentials))
        });
        Ok(Self(Arc::new(Api::new(transport, Auth::Renewed(tokens)))))
    }

    /// A client with tokens from elsewhere: a service that several processes share, say.
    ///
    /// `fetch` is called when there is no token, 60 seconds before one expires, and after a 401.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_webhook_reconcile::{AccessToken, Options, dwolla::{self, DwollaApi}};
    ///
    /// # type Token = Result<String, tower_webhook_reconcile::Error>;
    /// # async fn ask_the_vault() -> Token { Ok(String::new()) }
    /// let api = DwollaApi::with_tokens(dwolla::PRODUCTION, Options::new(), || async {
    ///     Ok(AccessToken::new(ask_the_vault().await?, Duration::from_secs(3600)))
    /// })?;
    /// # Ok::<(), tower_webhook_reconcile::Error>(())
    /// ```
    ///
    /// # Errors
    /// The base URL is not `https://…`, or no HTTP client can be built.
    pub fn with_tokens<F, Fut>(base: &str, options: Options, fetch: F) -> Result<Self, Error>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<AccessToken, Error>> + Send + 'static,
    {
        let transport = Arc::new(Transport::new(profile(), base, options)?);
        let tokens = TokenSource::new(transport.timer(), fetch);
        Ok(Self(Arc::new(Api::new(transport, Auth::Renewed(tokens)))))
    }

    /// The provider's time, by its last response (`Date`), in whole seconds. `None` before it.
    #[must_use]
    pub fn provider_time(&self) -> Option<SystemTime> {
        self.0.provider_time()
    }

    /// The application's webhook subscriptions.
    pub fn subscriptions(&self) -> Pages<Subscription> {
        let url = self.0.base().at(&["webhook-subscriptions"]);
        self.list(url, "webhook-subscriptions", |subscription: &Subscription| {
            &subscription.id
        })
    }

    /// Creates a subscription and returns its id. Dwolla never shows the secret again.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] with [`code`](Error::code) `ValidationError` for a URL or secret that
    /// Dwolla does not accept, or `MaxNumberOfResources` when there are too many subscriptions.
    pub async fn create_subscription(&self, url: &str, secret: &str) -> Result<String, Error> {
        let endpoint = self.0.base().at(&["webhook-subscriptions"])?;
        let body = json!({ "url": url, "secret": secret }).to_string();
        let call = Call::post(endpoint)
            .content(HAL, body)
            .once()
            .private(Secret::new(secret));
        created_id(&self.0.send(call).await?)
    }

    /// A subscription.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], among others.
    pub async fn subscription(&self, id: &str) -> Result<Subscription, Error> {
        self.get(&["webhook-subscriptions", id]).await
    }

    /// Pauses a subscription. Dwolla records what happens from now on, but does not send it, not
    /// even after the pause.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], among others.
    pub async fn pause(&self, id: &str) -> Result<Subscription, Error> {
        self.set_paused(id, true).await
    }

    /// Ends a pause. What was recorded meanwhile stays unsent: reconcile it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], among others.
    pub async fn unpause(&self, id: &str) -> Result<Subscription, Error> {
        self.set_paused(id, false).await
    }

    /// Deletes a subscription, and with it the history of what was sent to it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], among others.
    pub async fn delete_subscription(&self, id: &str) -> Result<(), Error> {
        let url = self.0.base().at(&["webhook-subscriptions", id])?;
        self.0.send(Call::delete(url)).await.map(drop)
    }

    /// The webhooks of a subscription: what Dwolla sent to it, or recorded for it.
    pub fn webhooks(&self, subscription: &str) -> Webhooks {
        Webhooks {
            api: self.clone(),
            subscription: subscription.to_owned(),
            limit: LIMIT,
            start_date: None,
            end_date: None,
            resource_id: None,
        }
    }

    /// A webhook with its attempts.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], among others.
    pub async fn webhook(&self, id: &str) -> Result<Webhook, Error> {
        self.get(&["webhooks", id]).await
    }

    /// The retries of a webhook that were asked for.
    pub fn retries(&self, webhook: &str) -> Pages<Retry> {
        let url = self.0.base().at(&["webhooks", webhook, "retries"]);
        self.list(url, "retries", |retry: &Retry| &retry.id)
    }

    /// Asks Dwolla to send a webhook again, and returns the retry's id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], among others.
    pub async fn retry(&self, webhook: &str) -> Result<String, Error> {
        let url = self.0.base().at(&["webhooks", webhook, "retries"])?;
        created_id(&self.0.send(Call::post(url).once()).await?)
    }

    /// The application's events, newest first, of the last 30 days.
    pub fn events(&self) -> Events {
        Events {
            api: self.clone(),
            limit: LIMIT,
        }
    }

    /// An event.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], among others.
    pub async fn event(&self, id: &str) -> Result<Event, Error> {
        let url = self.0.base().at(&["events", id])?;
        let response = self.0.send(Call::get(url)).await?;
        Event::read(response.body.clone()).map_err(|error| unreadable(&response.url, &error))
    }

    async fn set_paused(&self, id: &str, paused: bool) -> Result<Subscription, Error> {
        let url = self.0.base().at(&["webhook-subscriptions", id])?;
        let body = json!({ "paused": paused }).to_string();
        self.0
            .send(Call::post(url).content(HAL, body).repeatable())
            .await?
            .json()
    }

    async fn get<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, Error> {
        let url = self.0.base().at(segments)?;
        self.0.send(Call::get(url)).await?.json()
    }

    pub(super) fn list<T>(&self, first: Result<Url, Error>, name: &'static str, id: fn(&T) -> &str) -> Pages<T>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let api = Arc::clone(&self.0);
        pages(first, self.0.max_pages(), id, move |url| {
            let api = Arc::clone(&api);
            async move {
                let response = api.send(Call::get(url)).await?;
                let mut page: Fields = response.json()?;
                let total = page.number("total");
                let link = page.link("next").map(str::to_owned);
                let mut embedded: Fields = page.object("_embedded").unwrap_or_default();
                let entries = embedded
                    .entries(name)
                    .map_err(|error| unreadable(&response.url, &error))?;
                let next = match link {
                    Some(link) => Some(api.base().follow(&response.url, &link)?),
                    None => next_offset(&response.url, entries.len(), total),
                };
                Ok(Page { entries, next })
            }
        })
    }
}

impl fmt::Debug for DwollaApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DwollaApi")
            .field("base", &self.0.base().url().as_str())
            .finish_non_exhaustive()
    }
}

fn profile() -> Profile {
    Profile {
        name: "Dwolla",
        accept: HAL,
        version: None,
        request_id: "x-request-id",
        rate_pause: Duration::from_secs(300),
        read_error,
    }
}

/// `{code, message, _embedded: {errors: [{code, message, path}]}}`, or of `/token` `{error}`.
fn read_error(body: &[u8]) -> ErrorWords {
    let Ok(mut fields) = lenient::from_slice::<Fields>(body) else {
        return ErrorWords::default();
    };
    let code = fields.text("code").or_else(|| fields.text("error"));
    let message = fields.text("message").or_else(|| fields.text("error_description"));
    let errors: Vec<Fields> = fields
        .object::<Fields>("_embedded")
        .map(|mut embedded| embedded.list("errors"))
        .unwrap_or_default();
    let details = errors.into_iter().filter_map(|mut error| {
        let message = error.text("message")?;
        Some(
            error
                .text("path")
                .map_or_else(|| message.clone(), |path| format!("{path}: {message}")),
        )
    });
    let message: Vec<String> = message.into_iter().chain(details).collect();
    ErrorWords {
        code,
        message: (!message.is_empty()).then(|| message.join("; ")),
    }
}

async fn fetch_token(transport: Arc<Transport>, credentials: Arc<(String, Secret)>) -> Result<AccessToken, Error> {
    let (client_id, client_secret) = &*credentials;
    let call = Call::post(transport.base().at(&["token"])?)
        .content("application/x-www-form-urlencoded", "grant_type=client_credentials")
        .accept("application/json")
        .repeatable();
    let response = transport
        .send(&call, &Authorization::basic(client_id, client_secret)?)
        .await?;
    let mut fields: Fields = response.json()?;
    let token = fields.text("access_token").ok_or_else(|| {
        Error::new(
            ErrorKind::Unreadable,
            "the response from /token holds no access_token; expected one: check the base URL",
        )
    })?;
    // Dwolla documents an hour. Should it be less, the first 401 fetches a new token.
    let valid_for = fields.number("expires_in").unwrap_or(3600);
    Ok(AccessToken::new(token, Duration::from_secs(valid_for)))
}

/// The id of what was created, from `Location`.
fn created_id(response: &Response) -> Result<String, Error> {
    let id = response.header("location").and_then(last_segment);
    id.map(str::to_owned).ok_or_else(|| {
        Error::new(
            ErrorKind::Unreadable,
            "the response has no Location that ends in an id; expected that of what was created",
        )
    })
}

/// The next page of a list that says how long it is but links to no next page.
fn next_offset(url: &Url, entries: usize, total: Option<usize>) -> Option<Url> {
    let value = |name: &str| {
        url.query_pairs()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    };
    if value("cursor").is_some() {
        return None;
    }
    let offset: usize = value("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
    let read = offset.saturating_add(entries);
    if entries == 0 || read >= total? {
        return None;
    }
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "offset")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut next = url.clone();
    next.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .append_pair("offset", &read.to_string());
    Some(next)
}
