use std::{fmt, time::Duration};

/// A response.
#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoResponse {
    /// Nobody listens there, or TLS failed.
    Connect(String),
    /// The connection ended before the response.
    Closed,
    /// Nothing for so long.
    Timeout(Duration),
    /// Something that is not HTTP.
    NotHttp,
    /// Nobody waited for it.
    HungUp,
}

impl fmt::Display for NoResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => {
                write!(f, "no connection: {error}")?;
                if error.contains("certificate") {
                    f.write_str(" (expected one that this machine trusts, or the file of its root: --cacert)")?;
                }
                Ok(())
            }
            Self::Closed => f.write_str("connection closed without a response"),
            Self::Timeout(after) => write!(f, "no response within {} s", after.as_secs()),
            Self::NotHttp => f.write_str("a response that is not HTTP"),
            Self::HungUp => f.write_str("hung up"),
        }
    }
}

/// The head of a response in these bytes, and where it ends.
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) end: usize,
}

/// `None`: more bytes are needed.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, NoResponse> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(end)) => Ok(Some(Head {
            status: response.code.unwrap_or_default(),
            headers: response
                .headers
                .iter()
                .map(|header| {
                    let value = String::from_utf8_lossy(header.value).into_owned();
                    (header.name.to_ascii_lowercase(), value)
                })
                .collect(),
            end,
        })),
        Err(_) => Err(NoResponse::NotHttp),
    }
}

/// How the body of a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    After(usize),
    Chunked,
    Close,
}

impl Head {
    pub(super) fn body_end(&self, method: &str) -> End {
        let find = |name: &str| self.headers.iter().find(|(other, _)| other == name);
        if method == "HEAD" || matches!(self.status, 204 | 304) {
            return End::After(0);
        }
        if find("transfer-encoding").is_some_and(|(_, value)| value.eq_ignore_ascii_case("chunked")) {
            return End::Chunked;
        }
        match find("content-length").and_then(|(_, value)| value.parse().ok()) {
            Some(length) => End::After(length),
            None => End::Close,
        }
    }
}

/// The data in these chunks, and how many bytes they took; `None`: more bytes are needed.
pub(super) fn dechunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, NoResponse> {
    let (mut data, mut at) = (Vec::new(), 0);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(chunk)) => chunk,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(NoResponse::NotHttp),
        };
        let size = usize::try_from(size).map_err(|_| NoResponse::NotHttp)?;
        if size == 0 {
            // Trailers are left where they are: the connection is not used again.
            return Ok(rest.get(start..start + 2).map(|_| (data, at + start + 2)));
        }
        match rest.get(start..start.saturating_add(size)) {
            Some(chunk) => data.extend_from_slice(chunk),
            None => return Ok(None),
        }
        at += start + size + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together_and_half_a_chunk_is_waited_for() {
        let whole = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(dechunk(whole).unwrap(), Some((b"abcde".to_vec(), whole.len())));
        for length in 0..whole.len() {
            assert_eq!(dechunk(&whole[..length]).unwrap(), None, "{length}");
        }
        assert!(dechunk(b"zz\r\n").is_err());
    }
}
