use std::borrow::Cow;

/// The topic or topics that a handler is registered for.
///
/// A pattern is a topic as the provider writes it, or its beginning up to a dot: `issues` is also
/// `issues.opened`. Where several patterns fit a topic, the longest wins.
///
/// ```
/// use tower_webhook::{dwolla::Topic, event::TopicPattern};
///
/// let one = TopicPattern::from(Topic::CustomerVerified);
/// assert_eq!(one.topics().collect::<Vec<_>>(), ["customer_verified"]);
///
/// let several = TopicPattern::from(["issues.opened", "push"]);
/// assert_eq!(several.topics().count(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPattern(Vec<Cow<'static, str>>);

impl TopicPattern {
    /// The topics it names.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl From<&'static str> for TopicPattern {
    fn from(topic: &'static str) -> Self {
        Self(vec![Cow::Borrowed(topic)])
    }
}

impl From<String> for TopicPattern {
    fn from(topic: String) -> Self {
        Self(vec![Cow::Owned(topic)])
    }
}

impl<T: Into<TopicPattern>, const N: usize> From<[T; N]> for TopicPattern {
    fn from(topics: [T; N]) -> Self {
        Self(topics.into_iter().flat_map(|topic| topic.into().0).collect())
    }
}

impl<T: Into<TopicPattern>> From<Vec<T>> for TopicPattern {
    fn from(topics: Vec<T>) -> Self {
        Self(topics.into_iter().flat_map(|topic| topic.into().0).collect())
    }
}
