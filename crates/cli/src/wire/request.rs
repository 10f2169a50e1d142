use std::{fmt, time::Duration};

use bytes::Bytes;

use super::Target;

/// How a body's end is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `Content-Length`, as it is.
    Length,
    /// `Content-Length` with another number.
    LengthOf(u64),
    /// Chunks of this many bytes.
    Chunked(usize),
    /// The headers say both, as request smuggling does.
    Both,
}

/// A piece of what is sent.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    Pause(Duration),
    /// The connection is closed, and no response is waited for.
    HangUp,
}

/// A request to be sent. Headers are sent as they are written, and in their order.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
    pub(crate) framing: Framing,
}

/// Neither values nor body: they may be a customer's.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &names)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Request {
    pub(crate) fn post(body: impl Into<Bytes>) -> Self {
        Self {
            method: "POST",
            headers: Vec::new(),
            body: body.into(),
            framing: Framing::Length,
        }
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let header = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_slice())
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    /// Instead of the values that there are.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let value = value.into();
        match self
            .headers
            .iter()
            .position(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            Some(at) => {
                let rest = self.headers.split_off(at);
                self.headers.push((name.to_owned(), value));
                let others = rest.into_iter().skip(1);
                self.headers
                    .extend(others.filter(|(other, _)| !other.eq_ignore_ascii_case(name)));
            }
            None => self.headers.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn append(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    /// The head, as it is sent.
    pub(crate) fn head(&self, target: &Target, keeps_open: bool) -> Bytes {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, target.path).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        };
        if self.header("host").is_none() {
            line("Host", target.authority.as_bytes());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        let length = |length: u64| length.to_string().into_bytes();
        let own = self.body.len() as u64;
        match self.framing {
            Framing::Length => line("Content-Length", &length(own)),
            Framing::LengthOf(other) => line("Content-Length", &length(other)),
            Framing::Chunked(_) => line("Transfer-Encoding", b"chunked"),
            Framing::Both => {
                line("Content-Length", &length(own));
                line("Transfer-Encoding", b"chunked");
            }
        }
        if !keeps_open {
            line("Connection", b"close");
        }
        head.extend_from_slice(b"\r\n");
        head.into()
    }

    /// The body, as it is sent.
    pub(crate) fn framed_body(&self) -> Bytes {
        let size = match self.framing {
            Framing::Length | Framing::LengthOf(_) => return self.body.clone(),
            Framing::Chunked(size) => size.max(1),
            Framing::Both => self.body.len().max(1),
        };
        let mut framed = Vec::with_capacity(self.body.len() + 16);
        for chunk in self.body.chunks(size) {
            framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
        framed.extend_from_slice(b"0\r\n\r\n");
        framed.into()
    }

    /// The whole request at once.
    pub(crate) fn pieces(&self, target: &Target) -> Vec<Piece> {
        vec![Piece::Bytes(self.head(target, false)), Piece::Bytes(self.framed_body())]
    }
}
