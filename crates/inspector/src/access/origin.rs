//! Whether a browser says that another site has made it send a request.

use http::{
    HeaderName,
    header::{HOST, ORIGIN},
    request::Parts,
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a form may have been sent by a page of ours. A program sends neither header.
pub(super) fn is_own(parts: &Parts) -> bool {
    let site = parts.headers.get(SEC_FETCH_SITE);
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = parts.headers.get(ORIGIN) else {
        return true;
    };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
    // The scheme is not known here: TLS may end at a proxy.
    origin.zip(host).is_some_and(|((_, origin), host)| origin == host)
}
