//! Signed, and hard to digest: a leaked secret, a provider's mistake, or a customer's text. Whether
//! it is accepted is the receiver's affair. It must stay up.

use super::super::case::{Case, Expected, Maker, one, with_field};
use crate::{failure::Failure, provider::Provider, wire::Request};

fn steady(
    name: impl Into<String>,
    why: &'static str,
    make: impl Fn(&Maker) -> Result<Request, Failure> + Send + Sync + 'static,
) -> Case {
    one(name, Expected::Steady, why, make)
}

/// This body, signed.
fn raw(name: &'static str, why: &'static str, body: &'static [u8]) -> Case {
    steady(name, why, move |maker| {
        maker.signer.request_with(&maker.event(), body.into())
    })
}

pub(super) fn cases(provider: &'static Provider) -> Vec<Case> {
    let mut cases = vec![
        raw("a signed body that is no JSON", "an exception in a parser is a 500, and a retry of what never gets better", b"hello"),
        raw("a signed body that ends early", "a cut at the provider, signed as it is", br#"{"id":"1","type":"#),
        raw("a signed empty body", "JSON.parse('') throws, and some parsers hand on undefined", b""),
        raw("a signed null", "`body.type` of null throws", b"null"),
        raw("a signed number", "a body that is no object has no fields", b"7"),
        raw("a signed text", "fields of a text are undefined, or an exception", br#""text""#),
        raw("a signed array", "an array is an object in JavaScript", b"[]"),
        raw("a signed empty object", "each field is missing", b"{}"),
        raw("signed NUL bytes", "C strings and Postgres' text end there", b"{\"id\":\"\0\0\",\"type\":\"\0\"}"),
        raw("signed bytes that are no UTF-8", "a strict decoder throws", b"{\"id\":\"\xff\xfe\",\"type\":\"a\xc3\x28\"}"),
        raw("a signed lone surrogate for an id", "a database refuses it where the language did not", br#"{"id":"\ud800","event_id":"\ud800","type":"a","topic":"a","event":"a"}"#),
        raw("signed fields of other types", "`id.length` of a number, `type.startsWith` of null", br#"{"id":7,"event_id":[1],"type":null,"topic":{"a":1},"event":[],"event_type":false,"created":"x","data":7,"payload":null,"action":3}"#),
        raw(
            "signed keys of prototypes",
            "merged into an object, __proto__ changes every object of the process",
            br#"{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"id":"__proto__","event_id":"__proto__","type":"__proto__","topic":"constructor","event":"toString","event_type":"__proto__"}"#,
        ),
        raw(
            "signed text that looks like code",
            "what is logged or shown is text, and stays it",
            br#"{"id":"1' OR '1'='1","event_id":"${jndi:ldap://127.0.0.1:9/a}","type":"<script>alert(1)</script>","topic":"{{7*7}}","event":"../../etc/passwd"}"#,
        ),
        steady("signed nesting of 100,000", "recursive parsers have a stack of some thousand", |maker| {
            maker.with_body(|body| {
                let deep = format!("\"check\":{}{}", "[".repeat(100_000), "]".repeat(100_000));
                with_field(body, &deep)
            })
        }),
        steady("a signed number of 100,000 digits", "big integers are parsed in quadratic time by some", |maker| {
            maker.with_body(|body| with_field(body, &format!("\"check\":{}", "9".repeat(100_000))))
        }),
        steady("a signed 1e999", "no float holds it: infinity, or an exception", |maker| {
            maker.with_body(|body| with_field(body, r#""check":1e999"#))
        }),
        steady("20,000 signed fields", "hash tables with a known hash collide on purpose", |maker| {
            maker.with_body(|body| {
                let fields: Vec<String> = (0..20_000).map(|number| format!("\"k{number}\":0")).collect();
                with_field(body, &fields.join(","))
            })
        }),
        steady("a signed topic of 10,000 letters", "a label of metrics, a column, a key of a cache", |maker| {
            let mut event = maker.event();
            event.topic = "a".repeat(10_000);
            let mut request = maker.signer.request(&event)?;
            for (_, value) in &mut request.headers {
                value.truncate(2000);
            }
            Ok(request)
        }),
        steady("a signed line break in a topic", "one event must not look like two lines of the log", |maker| {
            let mut event = maker.event();
            event.topic = "a\nforged line".to_owned();
            let mut request = maker.signer.request(&event)?;
            for (_, value) in &mut request.headers {
                value.retain(|byte| *byte != b'\n');
            }
            Ok(request)
        }),
        steady("a signed body of 900 KB", "it is refused as too large, or handled", |maker| {
            maker.with_body(|body| with_field(body, &format!(r#""check":"{}""#, "a".repeat(900_000))))
        }),
        steady("a body called gzip that is none", "decompression before the check fails, or bursts", |maker| {
            let mut request = maker.usual()?;
            request.append("content-encoding", "gzip");
            Ok(request)
        }),
        steady("no content type", "a framework without a type chooses no parser", |maker| {
            let mut request = maker.usual()?;
            request.remove("content-type");
            Ok(request)
        }),
        steady("a content type that is none", "parsers of headers throw, too", |maker| {
            let mut request = maker.usual()?;
            request.set("content-type", ";;;=\"");
            Ok(request)
        }),
        steady("a charset that is none", "a lookup of the charset throws", |maker| {
            let mut request = maker.usual()?;
            request.set("content-type", "application/json; charset=x-none");
            Ok(request)
        }),
        steady("the right tag in capitals", "the same bytes in other letters: neither choice is wrong", |maker| {
            maker.with_tag(str::to_uppercase)
        }),
        steady("the right signature and a wrong one in two headers", "which of two counts must not depend on luck; a refusal is safest", |maker| {
            let mut request = maker.usual()?;
            let wrong = maker.with_tag(|tag| tag.chars().rev().collect())?;
            let value = wrong.header(maker.signer.header()).unwrap_or_default().to_vec();
            request.append(maker.signer.header(), value);
            Ok(request)
        }),
    ];
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "TRACE"] {
        cases.push(steady(
            format!("a signed delivery by {method}"),
            "no provider here sends anything but POST; 405 is what it should get",
            move |maker| {
                let mut request = maker.usual()?;
                request.method = method;
                Ok(request)
            },
        ));
    }
    if provider.shape.id.is_some() {
        cases.push(steady(
            "a signed id of 10,000 letters",
            "ids are keys: of a database, of a cache",
            |maker| {
                let mut request = maker.usual()?;
                let mut claims = maker.signer.claims(&request);
                claims.id = "a".repeat(10_000);
                maker.signer.put(&mut request, &claims, &maker.signer.tag(&claims));
                Ok(request)
            },
        ));
    } else {
        cases.push(steady(
            "a signed id of 100,000 letters",
            "ids are keys: of a database, of a cache",
            |maker| {
                let mut event = maker.event();
                event.id = "a".repeat(100_000);
                let mut request = maker.signer.request(&event)?;
                for (_, value) in &mut request.headers {
                    value.truncate(4000);
                }
                Ok(request)
            },
        ));
    }
    cases
}
