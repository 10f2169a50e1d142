use std::fmt;

use serde::de;

/// Reads a string field, for a `Deserialize` of an event's field. Where the value is no string, the
/// refusal names the field and the type that was found; serde's own would repeat the value, which
/// is body.
///
/// ```
/// use serde::{Deserialize, Deserializer};
/// use tower_webhook::event::{from_json, string_field};
///
/// struct Shop(String);
///
/// impl<'de> Deserialize<'de> for Shop {
///     fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
///         string_field(deserializer, "shop", "a string", |text| {
///             Ok::<_, String>(Shop(text.to_owned()))
///         })
///     }
/// }
///
/// #[derive(Deserialize)]
/// struct Envelope {
///     shop: Shop,
/// }
///
/// let error = from_json::<Envelope>(br#"{"shop":["private"]}"#)
///     .err()
///     .unwrap();
/// assert_eq!(
///     error.to_string(),
///     "the event's shop is an array; expected a string at line 1 column 9"
/// );
/// ```
///
/// # Errors
/// The value is no string, or `read` refuses it: begin its message with `the event's`, and do not
/// repeat the value.
pub fn string_field<'de, D, T, E>(
    deserializer: D,
    field: &str,
    expected: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: de::Deserializer<'de>,
    E: fmt::Display,
{
    // `any`, so that a wrong type reaches the visitor: asked for a string, serde_json would word
    // the refusal itself.
    deserializer.deserialize_any(TextVisitor { field, expected, read })
}

struct TextVisitor<'a, R> {
    field: &'a str,
    expected: &'a str,
    read: R,
}

impl<R> TextVisitor<'_, R> {
    fn refuse<T, E: de::Error>(&self, found: &str) -> Result<T, E> {
        Err(E::custom(format_args!(
            "the event's {} is {found}; expected {}",
            self.field, self.expected
        )))
    }
}

impl<'de, R, T, F> de::Visitor<'de> for TextVisitor<'_, R>
where
    R: FnOnce(&str) -> Result<T, F>,
    F: fmt::Display,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(E::custom)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<T, E> {
        self.refuse("a boolean")
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<T, E> {
        self.refuse("a number")
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<T, E> {
        self.refuse("a number")
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<T, E> {
        self.refuse("a number")
    }

    fn visit_unit<E: de::Error>(self) -> Result<T, E> {
        self.refuse("null")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        self.refuse("an array")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        self.refuse("an object")
    }
}
