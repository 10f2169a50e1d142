//! Deliveries that nobody with the secret has signed.

use super::super::case::{Case, Maker, of_another_version, refused};
use crate::{
    failure::Failure,
    provider::{Hash, Provider, Text},
    wire::Request,
};

pub(super) fn cases(provider: &'static Provider) -> Vec<Case> {
    let mut cases = missing();
    cases.extend(tags(provider));
    cases.extend(keys());
    cases.extend(headers(provider));
    cases
}

fn missing() -> Vec<Case> {
    let mut cases = vec![
        refused(
            "no signature",
            "a handler that verifies only where the header is present accepts whatever has none",
            unsigned,
        ),
        refused(
            "an empty signature",
            "an empty text is falsy in JavaScript and Python: `if (signature && …)` skips the check",
            |maker| {
                let mut request = maker.usual()?;
                request.set(maker.signer.header(), "");
                Ok(request)
            },
        ),
        refused(
            "a signature of spaces",
            "a header that is trimmed after it was found to be present is empty",
            |maker| {
                let mut request = maker.usual()?;
                request.set(maker.signer.header(), "   ");
                Ok(request)
            },
        ),
        refused(
            "a label without a tag",
            "a tag of no bytes equals the first no bytes of any other",
            |maker| maker.with_tag(|_| String::new()),
        ),
    ];
    for (what, content_type) in [
        ("text/plain", "text/plain"),
        ("a form", "application/x-www-form-urlencoded"),
        ("XML", "application/xml"),
        ("multipart", "multipart/form-data; boundary=x"),
    ] {
        cases.push(refused(
            format!("no signature, called {what}"),
            "frameworks hand other content types to other parsers, and some routes verify only JSON",
            move |maker| {
                let mut request = unsigned(maker)?;
                request.set("content-type", content_type);
                Ok(request)
            },
        ));
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        cases.push(refused(
            format!("no signature, by {method}"),
            "a route for all methods with a check in the one for POST lets the others through",
            move |maker| {
                let mut request = unsigned(maker)?;
                request.method = method;
                Ok(request)
            },
        ));
    }
    cases
}

/// Without anything that signs.
fn unsigned(maker: &Maker) -> Result<Request, Failure> {
    let mut request = maker.usual()?;
    request.remove(maker.signer.header());
    Ok(request)
}

/// A letter of a tag's alphabet that is another one.
fn other(letter: char) -> char {
    if letter == '1' { '2' } else { '1' }
}

/// A tag with another letter at this place.
pub(super) fn flipped(tag: &str, at: usize) -> String {
    let letters = tag.chars().enumerate();
    letters
        .map(|(index, letter)| if index == at { other(letter) } else { letter })
        .collect()
}

fn first(tag: &str, letters: usize) -> String {
    tag.chars().take(letters).collect()
}

fn tags(provider: &'static Provider) -> Vec<Case> {
    let bytes = provider.shape.hash.length();
    // How many, and the last of which each bit counts.
    let (letters, last) = match provider.shape.text {
        Text::Hex => (2 * bytes, 2 * bytes - 1),
        Text::Base64 => (bytes.div_ceil(3) * 4, bytes * 8 / 6 - 1),
    };
    let mut cases = vec![
        refused(
            "the first letter of the tag is another",
            "the least that a comparison must notice",
            |maker| maker.with_tag(|tag| flipped(tag, 0)),
        ),
        refused(
            "a letter in the middle of the tag is another",
            "a comparison of the beginning alone accepts 1 in 65,536 forgeries, or fewer tries than that",
            move |maker| maker.with_tag(|tag| flipped(tag, letters / 2)),
        ),
        refused(
            "the last letter of the tag is another",
            "a comparison that stops one short is satisfied",
            move |maker| maker.with_tag(|tag| flipped(tag, last)),
        ),
        refused(
            "the tag without its last byte",
            "zipping two texts, or comparing as many bytes as came, stops at the shorter one",
            move |maker| maker.with_tag(|tag| first(tag, letters - 4)),
        ),
        refused(
            "half of the tag",
            "RFC 2104 permits truncated tags; no provider here sends them",
            move |maker| maker.with_tag(|tag| first(tag, letters / 2)),
        ),
        refused(
            "the first four letters of the tag",
            "`expected.startsWith(given)` accepts any beginning, and a beginning can be guessed",
            |maker| maker.with_tag(|tag| first(tag, 4)),
        ),
        refused(
            "the first letter of the tag alone",
            "a beginning of one letter is guessed in 64 tries",
            |maker| maker.with_tag(|tag| first(tag, 1)),
        ),
        refused(
            "the tag, and more behind it",
            "`given.startsWith(expected)` reads no further than the tag",
            |maker| maker.with_tag(|tag| format!("{}00", flipped(tag, 0))),
        ),
        refused(
            "a tag of zeros",
            "what a buffer holds that was never filled",
            move |maker| {
                let zeros = vec![0; maker.signer.provider.shape.hash.length()];
                maker.with_tag(|_| maker.signer.write(&zeros))
            },
        ),
        refused(
            "a tag with bytes that are no text",
            "decoding it fails, and an error that is caught too far out skips the check",
            |maker| {
                let mut request = maker.usual()?;
                request.set(maker.signer.header(), b"\xff\xfe\x80\x81".to_vec());
                Ok(request)
            },
        ),
    ];
    for word in ["undefined", "null", "None", "true", "[object Object]", "NaN"] {
        cases.push(refused(
            format!("the tag is the word {word}"),
            "what some languages print where there is no value, on both sides of a comparison",
            move |maker| maker.with_tag(|_| word.to_owned()),
        ));
    }
    cases
}

/// With a tag under this key.
fn keyed(maker: &Maker, key: &[u8]) -> Result<Request, Failure> {
    let mut request = maker.usual()?;
    let claims = maker.signer.claims(&request);
    let tag = maker.signer.write(&maker.signer.mac(Hash::Sha256, key, &claims));
    maker.signer.put(&mut request, &claims, &tag);
    Ok(request)
}

fn keys() -> Vec<Case> {
    let mut cases = vec![
        refused(
            "another secret",
            "whoever knows the scheme can sign, but not with this key",
            |maker| keyed(maker, b"a secret of somebody else"),
        ),
        refused(
            "the empty secret",
            "an unset environment variable becomes an empty key, which anybody has",
            |maker| keyed(maker, b""),
        ),
        refused(
            "a secret of zeros",
            "HMAC pads keys with zeros: a key of zeros is the empty key by another name",
            |maker| keyed(maker, &[0; 32]),
        ),
        refused(
            "the secret and one letter more",
            "a key that was cut to a fixed length verifies what begins like it",
            |maker| keyed(maker, &[maker.signer.key(), b"x"].concat()),
        ),
    ];
    for word in ["undefined", "null", "None", "changeme", "secret", "your_webhook_secret"] {
        cases.push(refused(
            format!("the secret is the word {word}"),
            "an unset variable that was printed, or the placeholder of a guide, is a key that anybody has",
            move |maker| keyed(maker, word.as_bytes()),
        ));
    }
    cases
}

fn headers(provider: &'static Provider) -> Vec<Case> {
    let mut cases = vec![
        refused(
            "two signature headers, both wrong",
            "doubled headers reach some handlers as a list, which compares in odd ways",
            |maker| {
                let mut request = maker.with_tag(|tag| flipped(tag, 0))?;
                let value = request.header(maker.signer.header()).unwrap_or_default().to_vec();
                let second = maker.with_tag(|tag| flipped(tag, 1))?;
                request.set(maker.signer.header(), value);
                let other = second.header(maker.signer.header()).unwrap_or_default().to_vec();
                request.append(maker.signer.header(), other);
                Ok(request)
            },
        ),
        refused(
            "the signature in a header of another name",
            "a search for any header that looks like a signature verifies what a proxy or client put there",
            |maker| {
                let mut request = maker.with_tag(|tag| flipped(tag, 0))?;
                let value = request.header(maker.signer.header()).unwrap_or_default().to_vec();
                request.remove(maker.signer.header());
                request.append("x-signature", value);
                Ok(request)
            },
        ),
        refused(
            "a signature of 8 KB",
            "a header of any length is compared, decoded and perhaps logged before anything is known of it",
            |maker| maker.with_tag(|_| "a".repeat(8192)),
        ),
    ];
    if let Some((separator, label)) = provider.list {
        cases.push(refused(
            "a list of 500 wrong tags",
            "one request must not buy 500 guesses, nor 500 MACs",
            move |maker| maker.with_tag(|tag| vec![flipped(tag, 0); 500].join(&format!("{separator}{label}"))),
        ));
        cases.push(refused(
            "a list of empty tags",
            "an empty item equals the first no bytes of the right one",
            move |maker| maker.with_tag(|_| format!("{separator}{label}{separator}{label}")),
        ));
        cases.push(refused(
            "the right tag under a version that is not known",
            "Stripe's v0 and the asymmetric v1a are other schemes: a tag counts only under its own label",
            move |maker| {
                let mut request = maker.usual()?;
                let value = request.header(maker.signer.header()).unwrap_or_default().to_vec();
                let value = String::from_utf8_lossy(&value).into_owned();
                let other = of_another_version(label);
                request.set(maker.signer.header(), value.replacen(label, &other, 1));
                Ok(request)
            },
        ));
    } else {
        cases.push(refused(
            "a wrong tag, a comma, and another",
            "where the provider has no list, a comma is part of a tag that is wrong",
            |maker| maker.with_tag(|tag| format!("{},{}", flipped(tag, 0), flipped(tag, 1))),
        ));
    }
    cases
}
