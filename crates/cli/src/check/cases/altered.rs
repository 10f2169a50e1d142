//! Deliveries that were changed behind the signature.

use serde_json::Value;

use super::super::case::{Case, refused, with_field};
use crate::{
    provider::{FieldPlace, Provider, Time},
    wire::Framing,
};

pub(super) fn cases(provider: &'static Provider) -> Vec<Case> {
    let mut cases = bodies();
    if let FieldPlace::Body(_) = provider.topic {
        cases.push(refused(
            "the topic was changed behind the signature",
            "the topic decides what runs, and here it is signed",
            |maker| {
                let mut event = maker.event();
                let mut request = maker.signer.request(&event)?;
                event.topic.push('x');
                request.body = maker.body_of(&event)?.into_bytes().into();
                Ok(request)
            },
        ));
    }
    if let Some(id) = provider.shape.id {
        cases.push(refused(
            "the id was changed behind the signature",
            "a captured delivery under a fresh id runs again, unless the id is part of what is verified",
            move |maker| {
                let mut request = maker.usual()?;
                request.set(id, crate::provider::fresh_id());
                Ok(request)
            },
        ));
        cases.push(refused(
            "the id is missing",
            "undefined printed into the signed content must not equal anything",
            move |maker| {
                let mut request = maker.usual()?;
                request.remove(id);
                Ok(request)
            },
        ));
        cases.push(refused(
            "bytes of the body moved into the id",
            "`{id}.{time}.{body}` can be cut in two ways where an id may hold a dot",
            |maker| {
                let mut request = maker.usual()?;
                let mut claims = maker.signer.claims(&request);
                let body = format!("{}.{}", claims.time, String::from_utf8_lossy(&claims.body));
                let signed = crate::provider::Claims {
                    body: body.into_bytes().into(),
                    ..claims.clone()
                };
                let tag = maker.signer.tag(&signed);
                claims.id = format!("{}.{}", claims.id, claims.time);
                maker.signer.put(&mut request, &claims, &tag);
                Ok(request)
            },
        ));
    }
    if provider.shape.time != Time::Unsigned {
        cases.push(refused(
            "the time was changed behind the signature",
            "a captured delivery with a fresh time is accepted for ever where the time is read and not verified",
            |maker| {
                let mut request = maker.usual()?;
                let mut claims = maker.signer.claims(&request);
                let tag = maker.signer.tag(&claims);
                let time = claims.time.parse::<u64>().unwrap_or_default();
                claims.time = (time + 1).to_string();
                maker.signer.put(&mut request, &claims, &tag);
                Ok(request)
            },
        ));
        cases.push(refused(
            "the time is missing",
            "`now - undefined > tolerance` is false in JavaScript",
            |maker| {
                let mut request = maker.usual()?;
                match maker.signer.provider.shape.time {
                    Time::Header(name) => request.remove(name),
                    Time::Item(label) => {
                        let claims = maker.signer.claims(&request);
                        let value = request.header(maker.signer.header()).unwrap_or_default().to_vec();
                        let value = String::from_utf8_lossy(&value).into_owned();
                        let item = format!("{label}{}", claims.time);
                        let rest = value.replace(&item, "");
                        request.set(maker.signer.header(), rest.trim_start_matches([',', ';']));
                    }
                    Time::Unsigned => {}
                }
                Ok(request)
            },
        ));
    }
    cases
}

fn bodies() -> Vec<Case> {
    vec![
        refused(
            "one bit of the body was flipped",
            "the least that a MAC over the body notices",
            |maker| {
                maker.altered(|body| {
                    let mut body = body.to_vec();
                    let middle = body.len() / 2;
                    if let Some(byte) = body.get_mut(middle) {
                        *byte ^= 1;
                    }
                    body
                })
            },
        ),
        refused(
            "the body of another event",
            "one captured signature must not sign another event",
            |maker| {
                let mut request = maker.usual()?;
                request.body = maker.with_body(|body| with_field(body, r#""other":1"#))?.body;
                Ok(request)
            },
        ),
        refused(
            "a newline behind the body",
            "a receiver that trims what it verifies handles bytes that nobody signed",
            |maker| maker.altered(|body| [body, b"\n"].concat()),
        ),
        refused(
            "a space before the body",
            "verification over trimmed text is not over the bytes that came",
            |maker| maker.altered(|body| [b" ", body].concat()),
        ),
        refused(
            "the body printed again with other spaces",
            "`JSON.stringify(req.body)` verifies what a parser made of the bytes: two readings of one body",
            |maker| {
                maker.altered(|body| {
                    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
                    serde_json::to_vec_pretty(&parsed).unwrap_or_default()
                })
            },
        ),
        refused(
            "a field before all others, behind the signature",
            "of a field that is there twice, some readers take the first and some the last",
            |maker| {
                maker.altered(|body| {
                    let text = String::from_utf8_lossy(body).into_owned();
                    with_field(&text, r#""id":"forged""#).into_bytes()
                })
            },
        ),
        refused(
            "a doubled field that JSON.parse drops",
            "a body that is parsed and printed again loses what a second reader sees first",
            |maker| {
                maker.altered(|body| {
                    let text = String::from_utf8_lossy(body).into_owned();
                    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
                    let key = parsed.as_object().and_then(|object| object.keys().next().cloned());
                    with_field(&text, &format!(r#""{}":0"#, key.unwrap_or_default())).into_bytes()
                })
            },
        ),
        refused(
            "the body without its end",
            "what was cut off must not be made up",
            |maker| maker.altered(|body| body.get(..body.len() - 1).unwrap_or_default().to_vec()),
        ),
        refused(
            "no body under the tag of one",
            "an empty body is a body, with a tag of its own",
            |maker| maker.altered(|_| Vec::new()),
        ),
        refused(
            "a byte that is no UTF-8 in place of U+FFFD",
            "decoded as text before the MAC, both are U+FFFD, and one signature covers both",
            |maker| {
                let mut request = maker.with_body(|body| with_field(body, "\"check\":\"\u{fffd}\""))?;
                let body = request.body.to_vec();
                let at = body.windows(3).position(|bytes| bytes == "\u{fffd}".as_bytes());
                let (before, behind) = body.split_at(at.unwrap_or_default());
                request.body = [before, b"\xff", behind.get(3..).unwrap_or_default()].concat().into();
                Ok(request)
            },
        ),
        refused(
            "an altered body in chunks",
            "a body without Content-Length takes another way through many servers",
            |maker| {
                let mut request = maker.altered(|body| [body, b" "].concat())?;
                request.framing = Framing::Chunked(64);
                Ok(request)
            },
        ),
    ]
}
