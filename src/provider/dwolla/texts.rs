/// The texts of an event, one after the other in one allocation.
#[derive(Default)]
pub(super) struct Texts(String);

/// Where among them a text is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    start: usize,
    end: usize,
}

impl Texts {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    pub(super) fn add(&mut self, text: &str) -> Place {
        let start = self.0.len();
        self.0.push_str(text);
        Place {
            start,
            end: self.0.len(),
        }
    }

    /// The text at a place that `add` gave.
    pub(super) fn at(&self, place: Place) -> &str {
        self.0.get(place.start..place.end).unwrap_or_default()
    }
}
