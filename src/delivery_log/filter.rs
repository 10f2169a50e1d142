use std::time::SystemTime;

use super::DeliveryLogEntry;

/// Which entries are meant: those that match all that is set.
///
/// ```
/// use tower_webhook::delivery_log::DeliveryLogFilter;
///
/// let refused = DeliveryLogFilter::new().provider("dwolla").outcome("signature");
/// assert_eq!(refused.outcome.as_deref(), Some("signature"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryLogFilter {
    /// Only entries of this provider.
    pub provider: Option<String>,
    /// Only entries of this namespace.
    pub namespace: Option<String>,
    /// Only entries of this tenant.
    pub tenant: Option<String>,
    /// Only entries of this topic.
    pub topic: Option<String>,
    /// Only entries of the event with this id.
    pub id: Option<String>,
    /// Only entries with this outcome.
    pub outcome: Option<String>,
    /// Only failures ([`DeliveryLogEntry::is_failure`]).
    pub is_failure: bool,
    /// Only deliveries that ended at this time or later.
    pub since: Option<SystemTime>,
    /// Only deliveries that ended before this time.
    pub until: Option<SystemTime>,
}

impl DeliveryLogFilter {
    /// All entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only entries of this provider.
    #[must_use]
    pub fn provider(mut self, name: impl Into<String>) -> Self {
        self.provider = Some(name.into());
        self
    }

    /// Only entries of this namespace.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = Some(name.into());
        self
    }

    /// Only entries of this tenant.
    #[must_use]
    pub fn tenant(mut self, name: impl Into<String>) -> Self {
        self.tenant = Some(name.into());
        self
    }

    /// Only entries of this topic.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Only entries of the event with this id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Only what ended like this.
    #[must_use]
    pub fn outcome(mut self, outcome: impl Into<String>) -> Self {
        self.outcome = Some(outcome.into());
        self
    }

    /// Failures alone ([`DeliveryLogEntry::is_failure`]).
    #[must_use]
    pub fn failed(mut self) -> Self {
        self.is_failure = true;
        self
    }

    /// Ended at this time or later.
    #[must_use]
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(time);
        self
    }

    /// Ended before this time.
    #[must_use]
    pub fn until(mut self, time: SystemTime) -> Self {
        self.until = Some(time);
        self
    }

    /// Whether it lets this entry through.
    #[must_use]
    pub fn matches(&self, entry: &DeliveryLogEntry) -> bool {
        let is =
            |wanted: &Option<String>, value: Option<&str>| wanted.as_deref().is_none_or(|wanted| value == Some(wanted));
        is(&self.provider, Some(&entry.provider))
            && is(&self.namespace, Some(&entry.namespace))
            && is(&self.tenant, entry.tenant.as_ref().map(|tenant| tenant.as_str()))
            && is(&self.topic, entry.topic.as_deref())
            && is(&self.id, entry.id.as_deref())
            && is(&self.outcome, Some(&entry.outcome))
            && (!self.is_failure || entry.is_failure())
            && self.since.is_none_or(|since| entry.time >= since)
            && self.until.is_none_or(|until| entry.time < until)
    }
}
