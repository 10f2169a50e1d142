//! A client that costs little: requests are bytes made beforehand, connections are kept.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Runtime,
};

use crate::common;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    /// The server ends the connection.
    pub last: bool,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads one answer with its body.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        self.buffer.clear();
        loop {
            if let Some(answer) = complete(&self.buffer) {
                return Ok(answer);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.send(request).await?;
        self.answer().await
    }
}

fn complete(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let (mut length, mut last) = (0, false);
    for line in head.split("\r\n") {
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
        last |= line == "connection: close";
    }
    (bytes.len() >= end + length).then_some(Answer { status, last })
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The `n`th event as a request on the wire.
pub fn request(n: u64, size: usize) -> Vec<u8> {
    let body = common::event(&common::id(n), size);
    let signature = common::signature(&body);
    with_head(signature["x-request-signature-sha-256"].to_str().expect("hex"), &body)
}

/// The same with another signature.
pub fn forged(n: u64, size: usize) -> Vec<u8> {
    with_head(&"0123456789abcdef".repeat(4), &common::event(&common::id(n), size))
}

pub fn head(signature: &str, length: usize) -> String {
    format!(
        "POST /webhooks/dwolla HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         x-request-signature-sha-256: {signature}\r\n\r\n"
    )
}

fn with_head(signature: &str, body: &[u8]) -> Vec<u8> {
    [head(signature, body.len()).as_bytes(), body].concat()
}
