//! A statement with its parameters: beside it, or written into it.
//!
//! Between two messages a pooler such as `PgBouncer` may hand a client another of the server's
//! sessions. sqlx prepares a statement with one message and runs it with the next; in another
//! session it is not there, or another client's statement has its name. Written out, a statement
//! and all that it needs is one message, which no pooler takes apart.

use std::{borrow::Cow, sync::Arc};

use sqlx::{AssertSqlSafe, PgConnection, Postgres, postgres::PgRow, query::Query};

/// What goes before a statement that is written out, for that statement alone: the session is
/// everybody's. See [`SESSION`](super::pool).
const FOR_ITSELF: &str = "SET LOCAL statement_timeout = '5s'; ";

/// How a statement gets to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Prepared once for each connection, which is one session of the server.
    Prepared,
    /// With its parameters in its text, as one message.
    Written,
}

pub(super) struct Statement<'q> {
    sql: Arc<str>,
    values: Vec<Value<'q>>,
}

/// A parameter.
pub(super) enum Value<'q> {
    Text(Option<Cow<'q, str>>),
    Bytes(Cow<'q, [u8]>),
    Number(Option<i64>),
    Texts(&'q [&'q str]),
    OptionalTexts(&'q [Option<String>]),
    ByteStrings(&'q [Vec<u8>]),
    Slices(&'q [&'q [u8]]),
    Numbers(&'q [i64]),
    OptionalNumbers(&'q [Option<i64>]),
    Booleans(&'q [bool]),
}

impl<'q> Statement<'q> {
    pub(super) fn new(sql: &Arc<str>) -> Self {
        Self {
            sql: Arc::clone(sql),
            values: Vec::new(),
        }
    }

    /// The next parameter.
    pub(super) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Its rows.
    pub(super) async fn fetch(self, connection: &mut PgConnection, way: Way) -> Result<Vec<PgRow>, sqlx::Error> {
        match way {
            Way::Prepared => self.prepared().fetch_all(connection).await,
            Way::Written => {
                let message = AssertSqlSafe(format!("{FOR_ITSELF}{}", self.written()));
                sqlx::raw_sql(message).fetch_all(connection).await
            }
        }
    }

    /// Its rows, in a transaction, which stays in one session as long as it is open. No name is
    /// left behind there; but the transaction's own settings are nobody else's business.
    pub(super) async fn fetch_in(self, transaction: &mut PgConnection, way: Way) -> Result<Vec<PgRow>, sqlx::Error> {
        let query = self.prepared().persistent(way == Way::Prepared);
        query.fetch_all(transaction).await
    }

    fn prepared(self) -> Query<'q, Postgres, <Postgres as sqlx::Database>::Arguments> {
        let query = sqlx::query(AssertSqlSafe(self.sql));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
            Value::Number(number) => query.bind(number),
            Value::Texts(texts) => query.bind(texts),
            Value::OptionalTexts(texts) => query.bind(texts),
            Value::ByteStrings(strings) => query.bind(strings),
            Value::Slices(slices) => query.bind(slices),
            Value::Numbers(numbers) => query.bind(numbers),
            Value::OptionalNumbers(numbers) => query.bind(numbers),
            Value::Booleans(booleans) => query.bind(booleans),
        })
    }

    /// The statement without its comments, and each `$1` as what it stands for.
    fn written(&self) -> String {
        let mut written = String::with_capacity(self.sql.len());
        for line in self.sql.lines() {
            let code = line.split_once("--").map_or(line, |(code, _)| code);
            let mut parts = code.split('$');
            written.extend(parts.next());
            for part in parts {
                let digits = part.bytes().take_while(u8::is_ascii_digit).count();
                let (number, rest) = part.split_at(digits);
                let place = number.parse().ok().and_then(|number: usize| number.checked_sub(1));
                match place.and_then(|place| self.values.get(place)) {
                    Some(value) => value.write(&mut written),
                    // It is no parameter, and the server complains.
                    None => written.extend(["$", number]),
                }
                written.push_str(rest);
            }
            written.push('\n');
        }
        written
    }
}

impl Value<'_> {
    /// As an expression of digits and the letters a to f: whatever a provider puts into an id or a
    /// body, and however the session reads quotes and backslashes, no value can end early.
    fn write(&self, to: &mut String) {
        match self {
            Self::Text(text) => write_text(to, text.as_deref()),
            Self::Bytes(bytes) => write_bytes(to, bytes),
            Self::Number(number) => write_number(to, *number),
            Self::Texts(texts) => write_array(to, "text", texts, |to, text| write_text(to, Some(text))),
            Self::OptionalTexts(texts) => {
                write_array(to, "text", texts, |to, text| write_text(to, text.as_deref()));
            }
            Self::ByteStrings(strings) => write_array(to, "bytea", strings, |to, bytes| write_bytes(to, bytes)),
            Self::Slices(slices) => write_array(to, "bytea", slices, |to, bytes| write_bytes(to, bytes)),
            Self::Numbers(numbers) => {
                write_array(to, "bigint", numbers, |to, number| write_number(to, Some(*number)));
            }
            Self::OptionalNumbers(numbers) => {
                write_array(to, "bigint", numbers, |to, number| write_number(to, *number));
            }
            Self::Booleans(booleans) => {
                write_array(to, "boolean", booleans, |to, boolean| {
                    to.push_str(if *boolean { "true" } else { "false" });
                });
            }
        }
    }
}

fn write_text(to: &mut String, text: Option<&str>) {
    match text {
        Some(text) => {
            to.push_str("convert_from(");
            write_bytes(to, text.as_bytes());
            to.push_str(", 'UTF8')");
        }
        None => to.push_str("NULL::text"),
    }
}

fn write_bytes(to: &mut String, bytes: &[u8]) {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    to.reserve(2 * bytes.len() + 16);
    to.push_str("decode('");
    for byte in bytes {
        to.push(digit(byte >> 4));
        to.push(digit(byte & 0xf));
    }
    to.push_str("', 'hex')");
}

fn write_number(to: &mut String, number: Option<i64>) {
    match number {
        Some(number) => to.extend(["'", &number.to_string(), "'::bigint"]),
        None => to.push_str("NULL::bigint"),
    }
}

fn write_array<T>(to: &mut String, of: &str, values: &[T], write: impl Fn(&mut String, &T)) {
    to.push_str("ARRAY[");
    for (number, value) in values.iter().enumerate() {
        if number > 0 {
            to.push(',');
        }
        write(to, value);
    }
    to.extend(["]::", of, "[]"]);
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(text: &'q str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(Cow::Owned(text)))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(Cow::Owned))
    }
}

impl<'q> From<&'q [u8]> for Value<'q> {
    fn from(bytes: &'q [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(bytes))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl<'q> From<&'q [&'q str]> for Value<'q> {
    fn from(texts: &'q [&'q str]) -> Self {
        Self::Texts(texts)
    }
}

impl<'q> From<&'q [Option<String>]> for Value<'q> {
    fn from(texts: &'q [Option<String>]) -> Self {
        Self::OptionalTexts(texts)
    }
}

impl<'q> From<&'q [Vec<u8>]> for Value<'q> {
    fn from(strings: &'q [Vec<u8>]) -> Self {
        Self::ByteStrings(strings)
    }
}

impl<'q> From<&'q [&'q [u8]]> for Value<'q> {
    fn from(slices: &'q [&'q [u8]]) -> Self {
        Self::Slices(slices)
    }
}

impl<'q> From<&'q [i64]> for Value<'q> {
    fn from(numbers: &'q [i64]) -> Self {
        Self::Numbers(numbers)
    }
}

impl<'q> From<&'q [Option<i64>]> for Value<'q> {
    fn from(numbers: &'q [Option<i64>]) -> Self {
        Self::OptionalNumbers(numbers)
    }
}

impl<'q> From<&'q [bool]> for Value<'q> {
    fn from(booleans: &'q [bool]) -> Self {
        Self::Booleans(booleans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_written_out_with_nothing_of_its_values_but_digits() {
        let sql = Arc::from("SELECT $1, $11, $2 -- $3 is secret\nWHERE id = ANY ($3) AND x = $4 AND $5 AND $x");
        let statement = Statement::new(&sql)
            .bind("a'\\")
            .bind(-5)
            .bind(&["b", "$1"][..])
            .bind(Option::<String>::None)
            .bind(&[true, false][..]);
        assert_eq!(
            statement.written(),
            "SELECT convert_from(decode('61275c', 'hex'), 'UTF8'), $11, '-5'::bigint \n\
             WHERE id = ANY (ARRAY[convert_from(decode('62', 'hex'), 'UTF8'),convert_from(decode('2431', 'hex'), \
             'UTF8')]::text[]) AND x = NULL::text AND ARRAY[true,false]::boolean[] AND $x\n"
        );
    }
}
