//! No secret, tag or body is in a log.

#![cfg(test)] // for clippy

use super::*;

#[tokio::test(start_paused = true)]
async fn no_secret_tag_or_body_is_in_any_log_answer_or_debug_output() {
    const MARK: &str = "Private-Marker-9d1f";
    let capture = Capture::start();
    let body = event("1").replace("6c57f372", MARK);
    let headers = signature(body.as_bytes());
    let tag = headers["x-request-signature-sha-256"].to_str().unwrap().to_owned();
    let mut said = String::new();

    // Of what a service behind the layer gets, and of a handshake, whose body may be a tag.
    let behind = Arc::new(Mutex::new(String::new()));
    let keep = Arc::clone(&behind);
    let inner = Endpoint::http(move |request: http::Request<tower_webhook::layer::RequestBody>| {
        let keep = Arc::clone(&keep);
        async move {
            *keep.lock().unwrap() = format!("{request:?}");
            Ok(http::Response::new(Full::default()))
        }
    });
    inner.send(with_body(headers.clone(), Full::from(body.clone()))).await;
    let request = behind.lock().unwrap().clone();
    assert!(request.contains("RequestBody"), "{request}");
    assert!(!request.contains(MARK), "{request}");
    let handshake = tower_webhook::provider::Handshake::respond("application/json", MARK);
    assert!(!format!("{handshake:?}").contains(MARK));

    // Debug output, from the inside.
    let debugged: Arc<Mutex<String>> = Arc::default();
    let keep = Arc::clone(&debugged);
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let keep = Arc::clone(&keep);
        async move {
            *keep.lock().unwrap() = format!("{delivery:?} {:?} {:?}", delivery.event(), delivery.claim());
            Ok(())
        }
    });
    // Accepted, duplicate, conflicting, forged in every way, and authentic nonsense that holds the
    // marker in every place.
    let accepted = endpoint
        .send(with_body(headers.clone(), Full::from(body.clone())))
        .await;
    said += &format!("{accepted:?}");
    said += &format!(
        "{:?}",
        endpoint
            .send(with_body(headers.clone(), Full::from(body.clone())))
            .await
    );
    said += &format!("{:?}", endpoint.send(signed(event("1"))).await);
    for value in [
        &tag[1..],
        &tag.to_uppercase(),
        &format!("{tag}, {tag}"),
        &"0".repeat(64),
    ] {
        let mut forged = headers.clone();
        forged.insert("x-request-signature-sha-256", HeaderValue::from_str(value).unwrap());
        said += &format!("{:?}", endpoint.send(with_body(forged, Full::from(body.clone()))).await);
    }
    said += &format!(
        "{:?}",
        endpoint.send(with_body(headers, Full::from(format!("{body} ")))).await
    );
    // What is said of a request's head is neither its query nor what it is signed with.
    let mut with_query = with_body(signature(b"{}"), Full::from(body.clone()));
    *with_query.uri_mut() = format!("/webhooks/dwolla?token={MARK}").parse().unwrap();
    let cookie = HeaderValue::from_static(MARK);
    with_query.headers_mut().insert("cookie", cookie.clone());
    with_query.headers_mut().insert("authorization", cookie);
    said += &format!("{:?}", endpoint.send(with_query).await);
    for nonsense in [
        format!("{MARK:?}"),
        MARK.to_owned(),
        format!("{{\"id\":[{MARK:?}]}}"),
        format!("{{\"id\":\"2\",\"topic\":[{MARK:?}],\"created\":\"x\"}}"),
        format!("{{\"id\":\"{MARK}\\n\",\"topic\":\"x\",\"created\":\"x\"}}"),
        format!("{{\"id\":\"{MARK}\",\"{MARK}\":}}"),
    ] {
        let answer = endpoint.send(signed(&nonsense)).await;
        assert_eq!(answer.status.as_u16(), 400, "{nonsense}");
        said += &format!("{answer:?}");
    }
    let dwolla = Dwolla::new(SECRET).unwrap();
    let verifier = Verifier::new(&tower_webhook::dwolla::scheme(), &secrets()).unwrap();
    said += &format!("{dwolla:?} {verifier:?} {:?}", secrets());
    said += &format!("{:?}", WebhookLayer::new(dwolla, MemoryStore::new()));
    said += &debugged.lock().unwrap();
    said += &capture.text();

    assert!(said.contains("webhook") && said.len() > 2000, "something was said");
    for (name, private) in [("secret", SECRET), ("tag", tag.as_str()), ("body", MARK)] {
        assert!(!said.contains(private), "the {name} is in:\n{said}");
    }
}

#[test]
fn a_short_secret_is_taken_with_one_warning() {
    let capture = Capture::start();
    let _ = WebhookLayer::new(Dwolla::new("sshhhhhh").unwrap(), MemoryStore::new());
    let text = capture.text();
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
    assert!(
        text.contains("a secret of dwolla has 8 bytes; expected at least 16"),
        "{text}"
    );

    let capture = Capture::start();
    let _ = WebhookLayer::new(Dwolla::new("sixteen bytes it").unwrap(), MemoryStore::new());
    assert_eq!(capture.text(), "");
}

// ---- what one line says where there are no spans
// ---------------------------------------------------------------------------------------
