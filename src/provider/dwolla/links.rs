use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};

use super::{
    lenient::{Loose, Text},
    texts::{Place, Texts},
};

/// Room for the texts of a usual event, whose links make most of them.
const USUAL: usize = 512;

/// An event's links that have an address, in the body's order: names and addresses. Further texts may follow theirs.
#[derive(Default)]
pub(super) struct Links {
    pub(super) texts: Texts,
    pub(super) places: Vec<(Place, Place)>,
}

impl<'de> Loose<'de> for Links {
    fn unusable() -> Self {
        Self::default()
    }

    fn object<A: de::MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut links = Self {
            texts: Texts::with_capacity(USUAL),
            // The usual event has four.
            places: Vec::with_capacity(4),
        };
        while let Some(name) = map.next_key::<Text<'_>>()? {
            if let Link(Text::Is(href)) = map.next_value()? {
                // The empty name is no usable text, but a name.
                let name = links.texts.add(name.as_str().unwrap_or_default());
                let href = links.texts.add(&href);
                links.places.push((name, href));
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

/// `{"href": "…"}` today, with `type` and `resource-type` at times; the address alone in 2015.
struct Link<'de>(Text<'de>);

impl<'de> Loose<'de> for Link<'de> {
    fn unusable() -> Self {
        Self(Text::Unusable)
    }

    fn text(text: Cow<'de, str>) -> Self {
        Self(Text::text(text))
    }

    fn object<A: de::MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        #[derive(Deserialize)]
        struct Object<'a> {
            #[serde(borrow, default)]
            href: Text<'a>,
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
