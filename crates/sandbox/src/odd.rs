//! Forms of deliveries that are rare and yet sent. A receiver must take them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Odd {
    /// Dwolla, 2015: the links are texts.
    LinksAsTexts,
    /// Dwolla, in its guide: `timestamp` without `created`.
    TimestampAlone,
    /// A field that no document knows yet.
    ExtraField,
    /// A text that was cut within an emoji: half of a surrogate pair.
    HalfAnEmoji,
    /// `Content-Type` with a parameter.
    Charset,
    /// A gateway has doubled the signature's header.
    DoubledSignature,
    /// `Content-Encoding` without a value.
    EmptyEncoding,
    /// GitHub: `payload=…` in a form, though the hook asks for JSON.
    Form,
    /// Stripe: a second signature, of a secret that is on its way out.
    SecondSignature,
}

/// The body in an odd form; most forms leave it alone.
pub(crate) fn body(odd: Option<Odd>, body: Bytes) -> Bytes {
    let addition: &[u8] = match odd {
        Some(Odd::ExtraField) => br#"{"sandbox":{"added":[1e999,null]},"#,
        Some(Odd::HalfAnEmoji) => br#"{"sandbox":"cut \ud83d","#,
        _ => return body,
    };
    // The bodies that the sandbox writes are objects with fields.
    match body.strip_prefix(b"{") {
        Some(rest) => [addition, rest].concat().into(),
        None => body,
    }
}

/// Adds or changes headers; `signature` is the name of the signature's.
pub(crate) fn headers(odd: Option<Odd>, signature: &str, headers: &mut Vec<(String, String)>) {
    match odd {
        Some(Odd::Charset) => {
            for (name, value) in headers {
                if name == "Content-Type" {
                    value.push_str("; charset=UTF-8");
                }
            }
        }
        Some(Odd::DoubledSignature) => {
            let doubled = headers.iter().find(|(name, _)| name == signature).cloned();
            headers.extend(doubled);
        }
        Some(Odd::EmptyEncoding) => headers.push(("Content-Encoding".to_owned(), String::new())),
        _ => {}
    }
}
