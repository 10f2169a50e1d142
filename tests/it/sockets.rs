//! What a client sees of a refusal over a real socket, while it is still sending.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    endpoint::{Endpoint, signature},
    fixtures::succeed,
    wire::Via,
};

/// A client that reads nothing before it has sent all, as many do, and is still sending when its
/// call has ended. The status that it sees, or what it dies of.
async fn send_all_then_read(endpoint: &Endpoint, head: &[u8], body: &[u8]) -> std::io::Result<String> {
    let ended = endpoint.calls_ended();
    let mut stream = TcpStream::connect(endpoint.address()).await?;
    stream.write_all(head).await?;
    // More than the limit, so that a body without a declared length is refused, too.
    let (first, rest) = body.split_at(512 * 1024);
    stream.write_all(first).await?;
    endpoint.ended(ended + 1).await;
    for piece in rest.chunks(16 * 1024) {
        stream.write_all(piece).await?;
        tokio::task::yield_now().await; // to the server
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.strip_prefix("HTTP/1.1 ").unwrap().get(..3).unwrap();
    Ok(status.to_owned())
}

fn head(method: &str, length: usize, more: &str) -> Vec<u8> {
    let headers = signature(b"{}");
    let tag = headers["x-request-signature-sha-256"].to_str().unwrap();
    let signed = format!("x-request-signature-sha-256: {tag}\r\n");
    let signed = if more.contains("unsigned") { "" } else { &signed };
    let framing = if more.contains("chunked") {
        String::new()
    } else {
        format!("content-length: {length}\r\n")
    };
    format!("{method} /webhooks/dwolla HTTP/1.1\r\nhost: localhost\r\n{signed}{framing}{more}\r\n").into_bytes()
}

/// Three MiB to a limit of 256 KiB.
#[tokio::test]
async fn a_client_that_is_still_sending_when_it_is_refused_sees_the_response_and_no_reset() {
    const LENGTH: usize = 3 * 1024 * 1024;
    let body = vec![b'x'; LENGTH];
    let chunked = [format!("{LENGTH:x}\r\n").as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    for via in [Via::Hyper1, Via::Axum] {
        let endpoint = Endpoint::new(succeed).over(via).await;
        for (status, method, more) in [
            ("413", "POST", ""),
            ("413", "POST", "transfer-encoding: chunked\r\n"),
            ("413", "POST", "connection: close\r\n"),
            ("401", "POST", "x-unsigned: 1\r\n"),
            ("415", "POST", "content-encoding: gzip\r\n"),
            ("405", "PUT", ""),
        ] {
            let body = if more.contains("chunked") { &chunked } else { &body };
            let seen = send_all_then_read(&endpoint, &head(method, LENGTH, more), body).await;
            assert_eq!(seen.unwrap(), status, "{via:?}: {method} {more:?}");
        }
        drop(endpoint.handle.drain(Duration::ZERO).await);
        let seen = send_all_then_read(&endpoint, &head("POST", LENGTH, ""), &body).await;
        assert_eq!(seen.unwrap(), "503", "{via:?}");
        endpoint.assert_untouched();
    }
}

#[tokio::test]
async fn a_client_that_is_too_slow_sees_the_408() {
    let endpoint = Endpoint::with(succeed, |builder| builder.body_timeout(Duration::from_millis(1)));
    for via in [Via::Hyper1, Via::Axum] {
        let endpoint = endpoint.clone().over(via).await;
        let before = endpoint.calls_ended();
        let mut stream = TcpStream::connect(endpoint.address()).await.unwrap();
        stream.write_all(&head("POST", 200_000, "")).await.unwrap();
        stream.write_all(&[b'x'; 100_000]).await.unwrap();
        endpoint.ended(before + 1).await;
        // What it still sends is what would have been answered by a reset.
        for _ in 0..100 {
            stream.write_all(&[b'x'; 1000]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut seen = [0; 12];
        stream.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"HTTP/1.1 408");
    }
    endpoint.assert_untouched();
}
