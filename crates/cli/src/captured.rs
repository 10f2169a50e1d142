//! A request in a file, as HTTP writes it: a request line (which may be left out), headers, an
//! empty line, and the body, byte for byte.

use std::{fs, io::Read as _, path::Path};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{failure::Failure, wire::Request};

/// Headers of the connection, not of the request: a client that sends it again adds its own.
const OF_THE_CONNECTION: [&str; 6] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "expect",
];

pub(crate) fn is_of_the_connection(name: &str) -> bool {
    OF_THE_CONNECTION.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// A file, or standard input for `-`.
pub(crate) fn read_bytes(argument: &str, path: &Path) -> Result<Bytes, Failure> {
    let mut bytes = Vec::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_end(&mut bytes).map(|_| bytes),
        _ => fs::read(path),
    };
    read.map(Bytes::from).map_err(|error| {
        Failure::usage(format!(
            "{argument} {} cannot be read: {error}; expected a file, or - for standard input",
            path.display()
        ))
    })
}

/// The request in a file.
pub(crate) fn read(argument: &str, path: &Path) -> Result<Request, Failure> {
    let bytes = read_bytes(argument, path)?;
    parse(&bytes).ok_or_else(|| {
        Failure::usage(format!(
            "{argument} {} holds no request; expected lines `Name: value`, an empty line, and the body (a request line \
             before them may be there)",
            path.display()
        ))
    })
}

/// The end of the line that begins here, and where the next one does.
fn line(bytes: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(from..)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let text = rest.get(..end)?;
    Some((text.strip_suffix(b"\r").unwrap_or(text), from + end + 1))
}

fn parse(bytes: &Bytes) -> Option<Request> {
    let (mut headers, mut at, mut is_first) = (Vec::new(), 0, true);
    let mut length = None;
    loop {
        let (text, next) = match line(bytes, at) {
            Some(line) => line,
            // Headers alone, without a line break at the end: a request without a body.
            None => (bytes.get(at..)?, bytes.len()),
        };
        at = next;
        if text.is_empty() {
            break;
        }
        let is_request_line = is_first && text.windows(6).any(|word| word == b" HTTP/");
        is_first = false;
        if is_request_line {
            continue;
        }
        let colon = text.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(text.get(..colon)?).ok()?;
        HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = text.get(colon + 1..)?.trim_ascii().to_vec();
        if name.eq_ignore_ascii_case("content-length") {
            length = std::str::from_utf8(&value).ok()?.parse::<usize>().ok();
        }
        if !is_of_the_connection(name) {
            headers.push((name.to_owned(), value));
        }
    }
    let mut body = bytes.slice(at.min(bytes.len())..);
    // What an editor put behind it is not the body.
    if let Some(length) = length.filter(|length| *length < body.len()) {
        body.truncate(length);
    }
    let mut request = Request::post(body);
    request.headers = headers;
    Some(request)
}

/// The headers, as verification reads them.
pub(crate) fn header_map(request: &Request) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in &request.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

/// A request as a file has it.
pub(crate) fn write(path: &str, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut text = format!("POST {path} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers.iter().filter(|(name, _)| *name != "content-length") {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    text.extend_from_slice(body);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(Vec<(String, String)>, String)> {
        let request = parse(&Bytes::copy_from_slice(text.as_bytes()))?;
        let headers = request.headers.into_iter();
        let headers = headers.map(|(name, value)| (name, String::from_utf8(value).unwrap()));
        Some((headers.collect(), String::from_utf8(request.body.to_vec()).unwrap()))
    }

    #[test]
    fn a_request_line_is_optional_and_the_body_is_every_byte_behind_the_empty_line() {
        let expected = (vec![("X-A".to_owned(), "1: 2".to_owned())], "{\r\n\r\n}\n".to_owned());
        for head in [
            "X-A: 1: 2\n\n",
            "X-A:1: 2 \r\n\r\n",
            "POST /hooks?a=b HTTP/1.1\r\nHost: example.com\r\nX-A: 1: 2\r\n\r\n",
        ] {
            assert_eq!(
                parsed(&format!("{head}{{\r\n\r\n}}\n")),
                Some(expected.clone()),
                "{head}"
            );
        }
    }

    #[test]
    fn what_is_behind_the_content_length_is_not_the_body() {
        assert_eq!(parsed("Content-Length: 2\n\n{}\n").unwrap().1, "{}");
        assert_eq!(parsed("Content-Length: 9\n\n{}\n").unwrap().1, "{}\n");
    }

    #[test]
    fn what_has_no_headers_is_no_request() {
        for text in ["{\"a\":1}", "no colon\n\n", ": x\n\n", "bad name: x\n\n"] {
            assert_eq!(parsed(text), None, "{text}");
        }
        assert_eq!(
            parsed("X-A: 1"),
            Some((vec![("X-A".to_owned(), "1".to_owned())], String::new()))
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", "1".parse().unwrap());
        headers.append("x-a", "2".parse().unwrap());
        let body = b"{\"a\":1}\n\xff";
        let request = parse(&write("/hooks", &headers, body).into()).unwrap();
        assert_eq!(header_map(&request), headers);
        assert_eq!(&request.body[..], body);
    }
}
