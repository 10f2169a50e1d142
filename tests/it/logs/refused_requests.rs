//! The line of a request that was refused before it was an event.

#![cfg(test)] // for clippy

use super::*;

#[tokio::test(start_paused = true)]
async fn at_warn_one_line_says_all_of_a_request_that_was_refused_before_it_was_an_event() {
    let (lines, _guard) = Lines::at_warn();
    let endpoint = Endpoint::new(succeed);
    let body = event("1");
    let length = body.len().to_string();
    let request = |headers: http::HeaderMap| {
        let mut request = with_body(headers, Full::from(event("1")));
        let headers = request.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("content-length", HeaderValue::from(event("1").len()));
        request
    };
    let head = [
        ("method", "POST"),
        ("path", "/webhooks/dwolla"),
        ("content_type", "application/json"),
        ("content_length", length.as_str()),
    ];
    let signed_with = |tag: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-request-signature-sha-256", HeaderValue::from_str(tag).unwrap());
        headers
    };
    let right = signature(body.as_bytes());
    let of_other = signature(b"{}");

    // Whether the tag has the right form is what tells a wrong secret from a proxy that changes
    // headers.
    for (headers, signature, read, reason) in [
        (
            http::HeaderMap::new(),
            "missing",
            "0",
            "no signature: expected the header x-request-signature-sha-256 or x-request-signature; check that the request comes \
             from the provider and that no proxy drops the header",
        ),
        (
            signed_with("abc"),
            "malformed",
            "0",
            "the tag in x-request-signature-sha-256 has 3 characters; expected 64 (HMAC-SHA256 in lower-case hex)",
        ),
        (
            of_other,
            "mismatch",
            length.as_str(),
            "the tag does not match the secret; expected the body's own: check that the secret is the one given to the \
             provider and that nothing before this layer changes the body",
        ),
    ] {
        endpoint
            .send(request(headers))
            .await
            .assert_refused(401, tower_webhook::RefusalKind::Signature);
        let fields = [
            ("outcome", "signature"),
            ("status", "401"),
            ("signature", signature),
            ("body_length", read),
            ("reason", reason),
        ];
        lines.assert_one("WARN", &[&head[..], &fields].concat());
    }

    type Change = fn(&mut http::Request<crate::endpoint::TestBody>);
    let changes: [(Change, &str, &str, &str, &str, &str); 3] = [
        (
            |request| *request.method_mut() = http::Method::PUT,
            "method",
            "405",
            "the method is not POST; webhooks are posted",
            "method",
            "PUT",
        ),
        (
            |request| {
                drop(
                    request
                        .headers_mut()
                        .insert("content-encoding", HeaderValue::from_static("gzip")),
                )
            },
            "encoding",
            "415",
            "the body has a Content-Encoding; expected none: the signature is over plain bytes",
            "",
            "",
        ),
        (
            |request| {
                drop(
                    request
                        .headers_mut()
                        .insert("content-length", HeaderValue::from_static("262145")),
                )
            },
            "too-large",
            "413",
            "the body is larger than the limit of 262144 bytes",
            "content_length",
            "262145",
        ),
    ];
    for (change, outcome, status, reason, name, value) in changes {
        let mut request = request(right.clone());
        change(&mut request);
        endpoint.send(request).await;
        let mut fields = head.to_vec();
        fields.retain(|(field, _)| *field != name);
        if !name.is_empty() {
            fields.push((name, value));
        }
        fields.extend([
            ("outcome", outcome),
            ("status", status),
            ("reason", reason),
            ("body_length", "0"),
        ]);
        lines.assert_one("WARN", &fields);
    }

    // The body's own troubles: how much of it came is said.
    for (steps, limit, outcome, status, reason, read) in [
        (
            vec![Step::Data("abc".into()), Step::Stall],
            1000,
            "too-slow",
            "408",
            "the body did not arrive before its deadline",
            "3",
        ),
        (
            vec![Step::Data("abcd".into()), Step::Error],
            1000,
            "broken-body",
            "400",
            "the body broke off before its end",
            "4",
        ),
        (
            vec![Step::Data("abcde".into())],
            4,
            "too-large",
            "413",
            "the body is larger than the limit of 4 bytes",
            "5",
        ),
    ] {
        let endpoint = Endpoint::with(succeed, |builder| builder.body_limit(limit));
        endpoint.send(with_body(right.clone(), Script::new(steps))).await;
        let fields = [
            ("method", "POST"),
            ("path", "/webhooks/dwolla"),
            ("outcome", outcome),
            ("status", status),
            ("reason", reason),
            ("body_length", read),
        ];
        lines.assert_one("WARN", &fields);
    }

    // Authentic, and no event.
    endpoint
        .send(signed("[]"))
        .await
        .assert_refused(400, tower_webhook::RefusalKind::NotAnEvent);
    let taken = lines.take();
    let field = |name: &str| taken[0].get(name).map(String::as_str);
    assert_eq!(
        (taken.len(), field("outcome"), field("body_length")),
        (1, Some("not-an-event"), Some("2"))
    );

    // Over capacity, and closed.
    let full = Endpoint::with(succeed, |builder| builder.max_in_flight(1));
    let (held, stalled) = (full.clone(), with_body(right.clone(), Script::new([Step::Stall])));
    let held = tokio::spawn(async move { held.send(stalled).await });
    tokio::task::yield_now().await;
    full.send(request(right.clone())).await;
    let fields = [
        ("outcome", "overloaded"),
        ("status", "503"),
        ("reason", "1 requests are in flight; expected fewer"),
        ("body_length", "0"),
    ];
    lines.assert_one("WARN", &[&head[..], &fields].concat());
    held.abort();
    drop(full.handle.drain(Duration::ZERO).await);
    full.send(request(right.clone())).await;
    let fields = [
        ("outcome", "draining"),
        ("status", "503"),
        ("reason", "the layer is draining"),
        ("body_length", "0"),
    ];
    lines.assert_one("WARN", &[&head[..], &fields].concat());
}

#[tokio::test(start_paused = true)]
async fn what_strangers_choose_is_escaped_and_cut_in_a_line() {
    let (lines, _guard) = Lines::at_warn();
    let mut request = with_body(http::HeaderMap::new(), Full::from(event("1")));
    *request.uri_mut() = format!("/{}?token=secret", "a\"b".repeat(100).replace('"', "'"))
        .parse()
        .unwrap();
    let value = HeaderValue::from_bytes(&[&b"te\xffxt\t\""[..], &[b'x'; 200]].concat()).unwrap();
    request.headers_mut().insert("content-type", value);
    Endpoint::new(succeed).send(request).await;
    let taken = lines.take();
    let path = &taken[0]["path"];
    assert!(
        path.starts_with("/a\\'ba\\'b") && path.ends_with('…') && path.len() < 170,
        "{path}"
    );
    let content_type = &taken[0]["content_type"];
    assert!(
        content_type.starts_with("te\u{fffd}xt\\t\\\"xxx") && content_type.ends_with("x…"),
        "{content_type}"
    );

    // A panic's text, too, and one without text.
    let endpoint = Endpoint::new(async |_| panic!("{}", "\u{1b}[31m".repeat(100)));
    endpoint.deliver("1").await;
    let reason = lines.take()[0]["reason"].clone();
    assert!(
        reason.starts_with(r"the handler panicked: \u{1b}[31m\u{1b}[31m") && reason.ends_with('…'),
        "{reason}"
    );
    assert!(reason.len() < 1500, "{reason}");
    let endpoint = Endpoint::new(async |_| std::panic::panic_any(7_u8));
    endpoint.deliver("1").await;
    assert_eq!(
        lines.take()[0]["reason"],
        "the handler panicked: it says nothing that is text"
    );
}
