use std::net::IpAddr;

use http::Uri;

use super::roots::Roots;
use crate::failure::Failure;

/// The target of requests: a URL in its parts.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) is_tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Host`.
    pub(crate) authority: String,
    pub(crate) path: String,
    /// Whose certificates are trusted, if not the machine's.
    pub(crate) roots: Option<Roots>,
}

impl Target {
    /// A URL that was given under this name.
    pub(crate) fn parse(name: &str, url: &str) -> Result<Self, Failure> {
        let refuse = || Failure::usage(format!("{name} is {url}; expected http://… or https://…"));
        let uri: Uri = url.parse().map_err(|_| refuse())?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refuse()),
        };
        let authority = uri.authority().ok_or_else(refuse)?;
        if authority.as_str().contains('@') {
            // Not repeated: there may be a password in it.
            return Err(Failure::usage(format!(
                "{name} has a user name in it; expected http://HOST/… without one"
            )));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(refuse());
        }
        Ok(Self {
            is_tls,
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            host,
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            roots: None,
        })
    }

    /// Whether it is this machine, by its name alone.
    pub(crate) fn is_local(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => address.is_loopback(),
            Ok(IpAddr::V6(address)) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_and_localhost_are_local() {
        for (url, local) in [
            ("http://127.0.0.1:3000/x", true),
            ("http://127.8.8.8/x", true),
            ("https://[::1]:8443/", true),
            ("http://LocalHost/", true),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://10.0.0.1/", false),
            ("http://0.0.0.0:3000/", false),
        ] {
            assert_eq!(Target::parse("URL", url).unwrap().is_local(), local, "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_named_and_a_password_is_not() {
        let error = Target::parse("--to", "ftp://a/").unwrap_err().to_string();
        assert_eq!(error, "--to is ftp://a/; expected http://… or https://…");
        let error = Target::parse("--to", "http://u:hunter2@a/").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
