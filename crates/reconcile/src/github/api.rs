use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderName, HeaderValue, header::LINK};
use url::Url;

use super::{Delivery, DeliveryDetail};
use crate::{
    AccessToken, Error, Options, Pages,
    http::{Api, Auth, Call, ErrorWords, Profile, Response, TokenSource, Transport, unreadable},
    lenient::{self, Fields},
    pages::{Page, pages},
    secret::Secret,
};

/// The base URL of GitHub's API. That of a GitHub Enterprise Server is `https://HOST/api/v3`.
pub const GITHUB_COM: &str = "https://api.github.com";

/// The version of the API that this crate was written for.
const VERSION: &str = "2022-11-28";

/// The most entries that a page may have.
const PER_PAGE: u32 = 100;

/// A client of GitHub's API. Cheap to clone.
#[derive(Clone)]
pub struct GitHubApi(Arc<Api>);

impl GitHubApi {
    /// A client for github.com with a token.
    ///
    /// # Errors
    /// No HTTP client can be built.
    pub fn new(token: &str) -> Result<Self, Error> {
        Self::with_options(GITHUB_COM, token, Options::new())
    }

    /// A client for another host, or with options.
    ///
    /// # Errors
    /// The base URL is not `https://…`, or no HTTP client can be built.
    pub fn with_options(base: &str, token: &str, options: Options) -> Result<Self, Error> {
        let transport = Arc::new(Transport::new(profile(), base, options)?);
        Ok(Self(Arc::new(Api::new(transport, Auth::Fixed(Secret::new(token))))))
    }

    /// A client with tokens that expire: an installation's, or the JSON Web Tokens of an App.
    ///
    /// `fetch` is called when there is no token, 60 seconds before one expires, and after a 401.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_webhook_reconcile::{AccessToken, Options, github::{self, GitHubApi, Hook}};
    ///
    /// # fn sign_jwt(valid_for: Duration) -> String { String::new() }
    /// let api = GitHubApi::with_tokens(github::GITHUB_COM, Options::new(), || async {
    ///     let valid_for = Duration::from_secs(9 * 60);
    ///     Ok(AccessToken::new(sign_jwt(valid_for), valid_for))
    /// })?;
    /// let deliveries = api.deliveries(Hook::app());
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

    /// The deliveries of a hook.
    pub fn deliveries(&self, hook: Hook) -> Deliveries {
        Deliveries {
            api: self.clone(),
            hook,
            per_page: PER_PAGE,
            status: None,
            rechecks: false,
        }
    }
}

impl fmt::Debug for GitHubApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubApi")
            .field("base", &self.0.base().url().as_str())
            .finish_non_exhaustive()
    }
}

/// Which webhook: a repository's, an organisation's or an App's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hook(Vec<String>);

impl Hook {
    /// A hook of a repository.
    #[must_use]
    pub fn repository(owner: &str, repository: &str, hook_id: u64) -> Self {
        Self(vec![
            "repos".into(),
            owner.into(),
            repository.into(),
            "hooks".into(),
            hook_id.to_string(),
        ])
    }

    /// A hook of an organisation.
    #[must_use]
    pub fn organization(organization: &str, hook_id: u64) -> Self {
        Self(vec![
            "orgs".into(),
            organization.into(),
            "hooks".into(),
            hook_id.to_string(),
        ])
    }

    /// The hook of the App that signed the token.
    #[must_use]
    pub fn app() -> Self {
        Self(vec!["app".into(), "hook".into()])
    }

    pub(crate) fn segments(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

/// The deliveries of a hook, and which of them to list.
#[derive(Clone, Debug)]
#[must_use]
pub struct Deliveries {
    pub(super) api: GitHubApi,
    pub(super) hook: Hook,
    per_page: u32,
    status: Option<&'static str>,
    pub(super) rechecks: bool,
}

impl Deliveries {
    /// How many entries a page has. Default and maximum: 100.
    pub fn per_page(mut self, per_page: u32) -> Self {
        self.per_page = per_page;
        self
    }

    /// Only deliveries that failed. Servers that do not know the filter list all of them, so look
    /// at [`Delivery::is_success`].
    pub fn failed(mut self) -> Self {
        self.status = Some("failure");
        self
    }

    /// As a source of a [`Reconciler`](crate::Reconciler): deliveries that GitHub recorded as
    /// successes are fetched as well, and looked up in the store by their whole id. That is one
    /// request for each of them, once.
    pub fn recheck_delivered(mut self) -> Self {
        self.rechecks = true;
        self
    }

    /// The deliveries, page after page, newest first.
    pub fn list(&self) -> Pages<Delivery> {
        let first = self.url(&[]).map(|mut url| {
            {
                let mut query = url.query_pairs_mut();
                query.append_pair("per_page", &self.per_page.to_string());
                if let Some(status) = self.status {
                    query.append_pair("status", status);
                }
            }
            url
        });
        let api = Arc::clone(&self.api.0);
        pages(
            first,
            api.max_pages(),
            |delivery: &Delivery| &delivery.id,
            move |url| {
                let api = Arc::clone(&api);
                async move {
                    let response = api.send(Call::get(url)).await?;
                    let next = match next_link(&response) {
                        Some(link) => Some(api.base().follow(&response.url, link)?),
                        None => None,
                    };
                    Ok(Page {
                        entries: response.json()?,
                        next,
                    })
                }
            },
        )
    }

    /// A delivery with its request and response.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), among others.
    pub async fn get(&self, id: &str) -> Result<DeliveryDetail, Error> {
        let response = self.api.0.send(Call::get(self.url(&[id])?)).await?;
        DeliveryDetail::read(&response.body).map_err(|error| unreadable(&response.url, &error))
    }

    /// Asks GitHub to send a delivery again. The new attempt has the same guid.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) for a delivery of more than 3 days ago,
    /// among others.
    pub async fn redeliver(&self, id: &str) -> Result<(), Error> {
        let call = Call::post(self.url(&[id, "attempts"])?);
        self.api.0.send(call).await.map(drop)
    }

    fn url(&self, after: &[&str]) -> Result<Url, Error> {
        let mut segments = self.hook.segments();
        segments.push("deliveries");
        segments.extend(after);
        self.api.0.base().at(&segments)
    }
}

fn profile() -> Profile {
    Profile {
        name: "GitHub",
        accept: "application/vnd.github+json",
        version: Some((
            HeaderName::from_static("x-github-api-version"),
            HeaderValue::from_static(VERSION),
        )),
        request_id: "x-github-request-id",
        // What GitHub asks of a client whose response names no time.
        rate_pause: Duration::from_secs(60),
        read_error,
    }
}

/// `{message, documentation_url, errors: [{code, …}]}`
fn read_error(body: &[u8]) -> ErrorWords {
    let Ok(mut fields) = lenient::from_slice::<Fields>(body) else {
        return ErrorWords::default();
    };
    let errors: Vec<Fields> = fields.list("errors");
    ErrorWords {
        code: errors.into_iter().find_map(|mut error| error.text("code")),
        message: fields.text("message"),
    }
}

/// The target of `<…>; rel="next"` in the header `Link`.
fn next_link(response: &Response) -> Option<&str> {
    let links = response.header(LINK.as_str())?;
    links.split(',').find_map(|link| {
        let (target, parameters) = link.split_once(';')?;
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
        });
        let target = target.trim().strip_prefix('<')?.strip_suffix('>')?;
        is_next.then_some(target)
    })
}
