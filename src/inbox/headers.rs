//! Headers at rest.

use http::{HeaderMap, HeaderName, HeaderValue};

/// One line for each header. A value holds no line feed: `HeaderValue` forbids it.
pub(super) fn to_text(headers: &HeaderMap) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text
}

pub(super) fn from_text(text: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(colon) = line.windows(2).position(|pair| pair == b": ") else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(2..).unwrap_or_default();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_went_in() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("a", &b""[..]),
            ("b", b": "),
            ("b", b"second: of two"),
            ("c", b"\xff\x80 not UTF-8"),
            ("d", b"a:b"),
        ] {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        assert_eq!(from_text(&to_text(&headers)), headers);
    }

    #[test]
    fn lines_that_are_no_headers_are_left_out() {
        let headers = from_text(b"no colon\n: no name\nbad name: 1\ngood: 1\n\n");
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["good"], "1");
    }
}
