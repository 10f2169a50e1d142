use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};

use super::texts::{Span, Texts};
use crate::provider::lenient::{Field, Lenient};

/// Room for the texts of a usual event, most of which are its links.
const USUAL: usize = 512;

/// An event's links that have an address, in the body's order, as names and addresses. Other texts
/// may be added after theirs.
#[derive(Default)]
pub(super) struct Links {
    pub(super) texts: Texts,
    pub(super) spans: Vec<(Span, Span)>,
}

impl<'de> Lenient<'de> for Links {
    fn other(_: &'static str) -> Self {
        Self::default()
    }

    fn object<A: de::MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut links = Self {
            texts: Texts::with_capacity(USUAL),
            // The usual event has four.
            spans: Vec::with_capacity(4),
        };
        while let Some(name) = map.next_key::<Field<'_>>()? {
            let Link(href) = map.next_value()?;
            if let Some(href) = href.as_str() {
                let name = links.texts.add(name.as_str().unwrap_or_default());
                let href = links.texts.add(href);
                links.spans.push((name, href));
            }
        }
        Ok(links)
    }
}

impl<'de> Deserialize<'de> for Links {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

/// `{"href": "…"}` today, sometimes with `type` and `resource-type`; only the address in 2015.
struct Link<'de>(Field<'de>);

impl<'de> Lenient<'de> for Link<'de> {
    fn other(kind: &'static str) -> Self {
        Self(Field::Other(kind))
    }

    fn text(text: Cow<'de, str>) -> Self {
        Self(Field::Text(text))
    }

    fn object<A: de::MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        #[derive(Deserialize)]
        struct Object<'a> {
            #[serde(borrow, default)]
            href: Field<'a>,
        }
        let Object { href } = Object::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Self(href))
    }
}

impl<'de> Deserialize<'de> for Link<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}
