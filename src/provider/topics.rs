//! Which topics a provider is known to send, to find a misspelt one when the program starts.

/// Names for a provider's usual topics: `NAME = "as.the.provider.writes.it"`.
macro_rules! topics {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Names of common topics. Every other topic works as its text.
        pub mod topic {
            $(
                #[doc = concat!("`", $text, "`")]
                pub const $name: &str = $text;
            )*
        }

        const COMMON_TOPICS: &[&str] = &[$($text),*];
    };
}
pub(super) use topics;

/// The topics that a provider is known to send: all of them, or the common ones.
///
/// ```
/// use tower_webhook::provider::KnownTopics;
///
/// // a complete list: every other topic is doubtful
/// let all = KnownTopics::all(["customer_created", "customer_verified"]);
/// assert_eq!(all.doubt("customer_verified"), None);
/// assert_eq!(
///     all.doubt("customer_verfied").as_deref(),
///     Some("it is not among the 2 topics known here; did you mean `customer_verified`?")
/// );
///
/// // an incomplete list: only a topic one letter away from a known one is doubtful
/// let common = KnownTopics::common(["invoice.paid"]);
/// assert_eq!(common.doubt("invoice.piad").as_deref(), Some("did you mean `invoice.paid`?"));
/// assert_eq!(common.doubt("invoice.sent"), None);
/// ```
#[derive(Clone, Debug, Default)]
pub struct KnownTopics {
    names: Vec<String>,
    is_complete: bool,
}

/// Below this length, names that are one letter apart are often two topics.
const SHORTEST: usize = 5;
/// How far a suggested name may be from a topic that is known to be wrong.
const FAR: usize = 3;
/// The longest topic that is compared with names, in bytes.
const LONGEST: usize = 255;

impl KnownTopics {
    /// All topics that exist, as the provider writes them.
    #[must_use]
    pub fn all(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            names: names.into_iter().map(Into::into).collect(),
            is_complete: true,
        }
    }

    /// Some topics; others exist.
    #[must_use]
    pub fn common(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            is_complete: false,
            ..Self::all(names)
        }
    }

    /// Why the provider probably has no such topic, and which one may be meant. `None` if the topic
    /// is plausible.
    ///
    /// The beginning of a known topic up to a dot is known as well, because a handler can be
    /// registered for it.
    #[must_use]
    pub fn doubt(&self, topic: &str) -> Option<String> {
        let begins = |name: &String| {
            name.strip_prefix(topic)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if self.names.iter().any(begins) {
            return None;
        }
        let most = match (self.is_complete, topic.len()) {
            (_, LONGEST..) => 0,
            (true, length) => FAR.min(length / 3),
            (false, SHORTEST..) => 1,
            (false, _) => 0,
        };
        let near = self
            .names
            .iter()
            .filter(|_| topic.len() < LONGEST)
            .map(|name| (distance(topic, name), name))
            .filter(|(distance, name)| *distance <= most || name.eq_ignore_ascii_case(topic))
            .min();
        let near = near.map(|(_, name)| format!("did you mean `{name}`?"));
        if !self.is_complete {
            return near;
        }
        let unknown = format!("it is not among the {} topics known here", self.names.len());
        Some(match near {
            Some(near) => format!("{unknown}; {near}"),
            None => unknown,
        })
    }
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to turn one
/// text into the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(letter != *other);
            let mut least = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            if let Some(column) = column.checked_sub(1)
                && to.get(column) == Some(&letter)
                && previous == Some(*other)
            {
                least = least.min(at(&before_last, column) + 1);
            }
            current.push(least);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_letters_and_exchanges_of_neighbours() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("abc", "axc", 1),
            ("abc", "abxc", 1),
            ("abc", "ac", 1),
            ("abc", "acb", 1),
            ("abcd", "badc", 2),
            ("opened", "reopened", 2),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn topics_that_exist_are_not_taken_for_misspelt_ones() {
        let common = KnownTopics::common(["issues.opened", "push", "external_party.funding_source:created"]);
        for topic in [
            "issues.reopened",
            "issues",
            "fork",
            "ping",
            "push",
            "external_party",
            "external",
        ] {
            assert_eq!(common.doubt(topic), None, "{topic}");
        }
        assert_eq!(common.doubt("Issues.Opened").unwrap(), "did you mean `issues.opened`?");
        assert_eq!(common.doubt("issues.opend").unwrap(), "did you mean `issues.opened`?");
    }

    #[test]
    fn a_list_of_none_doubts_nothing() {
        assert_eq!(KnownTopics::default().doubt("anything"), None);
    }
}
