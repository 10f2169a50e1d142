//! The configured host, and why no request leaves it.

use url::{Host, Url};

use crate::{Error, ErrorKind};

/// The API's base URL. Every request goes to its scheme, host and port.
#[derive(Clone, Debug)]
pub(crate) struct Base(Url);

impl Base {
    pub(crate) fn parse(text: &str, allow_plain_http: bool) -> Result<Self, Error> {
        let config = |message: String| Error::new(ErrorKind::Config, message);
        let mut url = Url::parse(text)
            .map_err(|error| config(format!("the base URL is not a URL ({error}); expected https://…")))?;
        let is_http = match url.scheme() {
            "https" => false,
            "http" => true,
            other => return Err(config(format!("the base URL's scheme is {other}; expected https"))),
        };
        if is_http && !allow_plain_http && !is_this_machine(&url) {
            return Err(config(format!(
                "the base URL is http to {}, where everybody on the way reads the token; \
                 expected https: allow it with Options::allow_plain_http",
                host_of(&url),
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(config(
                "the base URL holds a user name or a password; expected neither: pass the credentials by themselves"
                    .into(),
            ));
        }
        url.set_query(None);
        url.set_fragment(None);
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self(url))
    }

    /// The URL of a path below the base.
    pub(crate) fn at(&self, segments: &[&str]) -> Result<Url, Error> {
        let mut url = self.0.clone();
        for segment in segments {
            // The parser drops dots, and a request for one thing would become one for all.
            if matches!(*segment, "" | "." | "..") {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("an id in the path is {segment:?}; expected the provider's id"),
                ));
            }
        }
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Ok(url)
    }

    /// The target of a response's link, if that is on this host.
    pub(crate) fn follow(&self, from: &Url, link: &str) -> Result<Url, Error> {
        let mut url = from.join(link).map_err(|_| {
            Error::new(
                ErrorKind::Unreadable,
                "a link in the response is not a URL; expected one on the configured host",
            )
        })?;
        if url.origin() != self.0.origin() {
            return Err(Error::new(
                ErrorKind::ForeignHost,
                format!(
                    "a link in the response leads to {}; expected {}, the only host that gets the token: \
                     check the base URL",
                    host_of(&url),
                    host_of(&self.0),
                ),
            ));
        }
        // They would replace the credentials. Neither call fails for a URL with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        Ok(url)
    }

    pub(crate) fn is_this_machine(&self) -> bool {
        is_this_machine(&self.0)
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `https://api.dwolla.com`: the origin, for messages.
fn host_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}
