//! Whether a request comes from this machine, by a name of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{
    HeaderName,
    header::{FORWARDED, HOST, VIA},
    request::Parts,
    uri::Authority,
};

/// Headers that a proxy adds. One on this machine would bring strangers in from a loopback address.
const OF_PROXIES: [HeaderName; 10] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("true-client-ip"),
];

/// Why it is refused.
pub(super) fn check(parts: &Parts) -> Result<(), &'static str> {
    let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
        return Err(
            "the peer's address is unknown; expected ConnectInfo<SocketAddr>: serve the app by \
             into_make_service_with_connect_info::<SocketAddr>()",
        );
    };
    if !is_loopback(peer.ip()) {
        return Err("the request comes from another machine; expected a loopback address");
    }
    if OF_PROXIES.iter().any(|name| parts.headers.contains_key(name)) {
        return Err(
            "the request came through a proxy; expected none: give the page a token, or an authentication layer of the application's",
        );
    }
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    // With HTTP/2 the name is in the URI.
    let host = host.or_else(|| parts.uri.authority().cloned());
    // A name of somebody else's that leads here (DNS rebinding) is that site's origin, and its
    // scripts could read the page.
    if !host.is_some_and(|host| is_loopback_name(host.host())) {
        return Err("the Host is not this machine; expected localhost, 127.0.0.1 or [::1]");
    }
    Ok(())
}

/// Whether a request's Host is a name of this machine.
pub(crate) fn is_local(parts: &Parts) -> bool {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    host.and_then(|host| host.parse::<Authority>().ok())
        .is_some_and(|host| is_loopback_name(host.host()))
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|mapped| mapped.is_loopback())
        }
    }
}

fn is_loopback_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return true;
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return address.is_loopback();
    }
    name.strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .and_then(|name| name.parse::<Ipv6Addr>().ok())
        .is_some_and(|address| is_loopback(IpAddr::V6(address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_and_others() {
        for name in [
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "127.0.0.1",
            "127.1.2.3",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback_name(name), "{name}");
        }
        for name in [
            "localhost.example.com",
            "127.0.0.1.example.com",
            "notlocalhost",
            "10.0.0.1",
            "[::2]",
            "::1",
            "",
            "0.0.0.0",
        ] {
            assert!(!is_loopback_name(name), "{name}");
        }
    }
}
