use serde::{Deserialize, Deserializer, de};

use super::loose::{Loose, Text};

/// An event's links that have an address, in the body's order.
#[derive(Default)]
pub(super) struct Links(Vec<(Box<str>, Box<str>)>);

impl Links {
    /// The last of this name, should there be two: what most JSON parsers take.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, href) = self.0.iter().rev().find(|(found, _)| **found == *name)?;
        Some(href)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, href)| (&**name, &**href))
    }
}

impl Loose for Links {
    fn unusable() -> Self {
        Self::default()
    }

    fn object<'de, A: de::MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        // The usual event has four.
        let mut links = Vec::with_capacity(4);
        while let Some(name) = map.next_key()? {
            if let Link(Text::Is(href)) = map.next_value()? {
                links.push((name, href));
            }
        }
        Ok(Self(links))
    }
}

impl<'de> Deserialize<'de> for Links {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

/// `{"href": "…"}` today, with `type` and `resource-type` at times; the address alone in 2015.
struct Link(Text);

impl Loose for Link {
    fn unusable() -> Self {
        Self(Text::Unusable)
    }

    fn text(text: &str) -> Self {
        Self(Text::text(text))
    }

    fn object<'de, A: de::MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        #[derive(Deserialize)]
        struct Object {
            #[serde(default)]
            href: Text,
        }
        let Object { href } = Object::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Self(href))
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}
