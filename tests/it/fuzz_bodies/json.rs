//! RFC 8259 once more, keeping what parsers drop (a key that comes twice, text that is none), and a
//! writer of JSON that is nearly an event.

use super::Input;

#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool,
    /// As it was written.
    Number(String),
    /// Half a surrogate pair in it is U+FFFD.
    Text(String),
    Array,
    Object(Vec<(String, Json)>),
}

impl Json {
    /// How deeply a body may nest.
    const DEPTH: usize = 64;

    /// The value that a body is; `None` where it is no JSON or nests too deeply.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let mut reader = Reader(std::str::from_utf8(body).ok()?);
        let value = reader.value(Self::DEPTH)?;
        reader.space();
        reader.0.is_empty().then_some(value)
    }
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.space();
        match self.0.bytes().next()? {
            b'{' => {
                let mut fields = Vec::new();
                self.items('{', '}', depth, |reader, depth| {
                    reader.space();
                    let name = reader.text()?;
                    reader.space();
                    reader.eat(":")?;
                    fields.push((name, reader.value(depth)?));
                    Some(())
                })?;
                Some(Json::Object(fields))
            }
            b'[' => self
                .items('[', ']', depth, |reader, depth| reader.value(depth).map(drop))
                .map(|()| Json::Array),
            b'"' => self.text().map(Json::Text),
            b'n' => self.eat("null").map(|()| Json::Null),
            b't' => self.eat("true").map(|()| Json::Bool),
            b'f' => self.eat("false").map(|()| Json::Bool),
            _ => self.number().map(Json::Number),
        }
    }

    fn items(
        &mut self,
        open: char,
        close: char,
        depth: usize,
        mut item: impl FnMut(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.eat(open.encode_utf8(&mut [0; 4]))?;
        self.space();
        let close = close.to_string();
        if self.eat(&close).is_some() {
            return Some(());
        }
        loop {
            item(self, depth)?;
            self.space();
            if self.eat(",").is_none() {
                return self.eat(&close);
            }
        }
    }

    fn number(&mut self) -> Option<String> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut length = usize::from(self.0.starts_with('-'));
        let whole = digits(&self.0[length..]);
        if whole == 0 || (whole > 1 && self.0[length..].starts_with('0')) {
            return None;
        }
        length += whole;
        if self.0[length..].starts_with('.') {
            let fraction = digits(&self.0[length + 1..]);
            length += 1 + fraction;
            (fraction > 0).then_some(())?;
        }
        if self.0[length..].starts_with(['e', 'E']) {
            length += 1 + usize::from(self.0[length + 1..].starts_with(['+', '-']));
            let exponent = digits(&self.0[length..]);
            length += exponent;
            (exponent > 0).then_some(())?;
        }
        let (number, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(number.to_owned())
    }

    fn text(&mut self) -> Option<String> {
        self.eat("\"")?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let letter = self.0.chars().next()?;
            self.0 = &self.0[letter.len_utf8()..];
            let unit = match letter {
                '"' => return Some(String::from_utf16_lossy(&units)),
                '\0'..' ' => return None,
                '\\' => {
                    let letter = self.0.chars().next()?;
                    self.0 = &self.0[letter.len_utf8()..];
                    match letter {
                        'b' => 8,
                        't' => 9,
                        'n' => 10,
                        'f' => 12,
                        'r' => 13,
                        '"' | '\\' | '/' => letter as u16,
                        'u' => {
                            let (four, rest) = self.0.split_at_checked(4)?;
                            self.0 = rest;
                            four.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
                            u16::from_str_radix(four, 16).ok()?
                        }
                        _ => return None,
                    }
                }
                _ => {
                    units.extend(letter.encode_utf16(&mut [0; 2]).iter());
                    continue;
                }
            };
            units.push(unit);
        }
    }
}

/// A body: mostly an event, with ids and topics that come again, sometimes with a change that
/// spoils it.
pub(crate) fn write_event(input: &mut Input<'_>) -> Vec<u8> {
    let mut fields = Vec::new();
    if !input.one_in(16) {
        fields.push(format!(r#""id":{}"#, write_id(input)));
    }
    if !input.one_in(16) {
        let topic = input.pick(&[
            "customer_created",
            "customer_created",
            "customer_created",
            "transfer_failed",
            "",
        ]);
        fields.push(format!(r#""topic":"{topic}""#));
    }
    if !input.one_in(16) {
        let name = input.pick(&["created", "created", "created", "timestamp"]);
        fields.push(format!(r#""{name}":"2019-02-04T14:58:4{}.144Z""#, input.below(2)));
    }
    for _ in 0..input.below(8) {
        const NAMES: [&str; 12] = [
            "\"x\"",
            "\"\"",
            "\"resourceId\"",
            "\"_links\"",
            "\"correlationId\"",
            "\"timestamp\"",
            "\"created\"",
            "\"\\u005flinks\"",
            "\"new\\ud83d\\ude00\"",
            "\"id\"",
            "\"\\u0069d\"",
            "\"\\ud800\"",
        ];
        // the last ones spoil most events
        let name = if input.one_in(8) {
            input.pick(&NAMES)
        } else {
            input.pick(&NAMES[..6])
        };
        let mut value = String::new();
        write_value(input, &mut value, 6);
        fields.push(format!("{name}:{value}"));
    }
    if input.one_in(4) {
        let by = input.below(fields.len().max(1));
        fields.rotate_left(by);
    }
    let space = input.pick(&["", "", "", " ", "\r\n\t"]);
    let body = format!("{space}{{{}{space}}}{space}", fields.join(&format!("{space},{space}")));
    let mut body = body.into_bytes();
    if input.one_in(4) {
        input.edit(&mut body);
    }
    body
}

fn write_id(input: &mut Input<'_>) -> String {
    if input.one_in(8) {
        // the longest that is taken, and the first that is not
        let letter = input.pick(&["x", "x", "\u{7f}", "\u{9f}", "\u{a0}"]);
        return format!("\"{letter}{}\"", "x".repeat(256 - letter.len() - input.below(2)));
    }
    input
        .pick(&[r#""1""#, r#""2""#, r#""\u0031""#, r#""ключ""#, r#""a\u0085""#])
        .to_owned()
}

fn write_value(input: &mut Input<'_>, to: &mut String, depth: usize) {
    match input.below(if depth == 0 { 12 } else { 17 }) {
        0..4 => {
            let text = String::from_utf8_lossy(input.chunk()).into_owned();
            to.push_str(&serde_json::to_string(&text).unwrap());
        }
        4 => to.push_str(input.pick(&[
            "\"\\ud83d\\ude00\"",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "\"\\u12\"",
            "\"\\x\"",
        ])),
        5 => to.push_str(input.pick(&["\"\u{7f}\"", "\"\\u0000\"", "\"\u{1}\"", "\"\u{85}\"", "\"\u{feff}\""])),
        6 => to.push_str(&format!("\"{}\"", "x".repeat(252 + input.below(8)))),
        7 | 8 => to.push_str(input.pick(&[
            "0",
            "-1",
            "1.5",
            "18446744073709551616",
            "1e999",
            "-1e-999",
            "01",
            "1.",
            "+1",
            "1e",
        ])),
        9 => to.push_str(input.pick(&["null", "true", "false", "nul", "NaN", "\"2019-02-04 14:58:45 UTC\""])),
        10 => to.push_str(input.pick(&[
            "\"https://api.dwolla.com/customers/a\"",
            "\"https://api-sandbox.dwolla.com\"",
            "\"://\"",
        ])),
        11 => {
            // depth, or what looks like it and is text
            let (levels, quote) = (input.below(140), input.pick(&["", "\"", "\"\\\"", "\"\\\\"]));
            to.push_str(quote);
            to.push_str(&"[".repeat(levels));
            to.push_str(&"]".repeat(levels));
            to.push_str(&quote[..quote.len().min(1)]);
        }
        12 | 13 => {
            to.push('[');
            for index in 0..input.below(4) {
                to.push_str(if index == 0 { "" } else { "," });
                write_value(input, to, depth - 1);
            }
            to.push(']');
        }
        _ => {
            to.push('{');
            for index in 0..input.below(4) {
                to.push_str(if index == 0 { "" } else { "," });
                to.push_str(input.pick(&[
                    "\"href\":",
                    "\"resource\":",
                    "\"self\":",
                    "\"\\u0068ref\":",
                    "\"\\ud800\":",
                    "\"\":",
                ]));
                write_value(input, to, depth - 1);
            }
            to.push('}');
        }
    }
}
