//! The part of a request that is stored.

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};

/// The headers without signatures and credentials: someone who can read the table must not be able
/// to send the request again, or to log in.
pub(crate) fn without_secrets(mut headers: HeaderMap, signatures: &[HeaderName]) -> HeaderMap {
    let secret: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_secret(name) || signatures.contains(name))
        .cloned()
        .collect();
    for name in secret {
        headers.remove(name);
    }
    headers
}

/// GitHub signs twice, each time in a header of its own, and a provider of one's own may sign or
/// show a secret in any: their names say it.
fn is_secret(name: &HeaderName) -> bool {
    const WORDS: [&str; 6] = ["signature", "hmac", "secret", "token", "password", "api-key"];
    let text = name.as_str();
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name) || WORDS.iter().any(|word| text.contains(word))
}
