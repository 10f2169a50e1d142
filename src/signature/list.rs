//! A header that holds a list, of tags and perhaps of the time that is signed.

use std::{borrow::Cow, time::Duration};

use http::HeaderValue;

use super::{
    Scheme,
    content::{SchemeError, Wrong},
    scheme::{Form, TimePlace},
};

impl Scheme {
    /// The header holds a list: items between separators, a tag in each item that begins with the
    /// label. One good tag is enough; providers put several there while one secret replaces
    /// another. Items with other labels, and items that are no tag, are passed over, and a list of
    /// more than 16 items is refused. Where the provider writes a space behind each separator, it
    /// belongs to the separator: `", "`.
    ///
    /// ```
    /// # use http::HeaderName;
    /// # use tower_webhook::signature::{Algorithm, Encoding, Scheme};
    /// // webhook-signature: v1,<base64> v1,<base64>
    /// let header = HeaderName::from_static("webhook-signature");
    /// let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Base64)
    ///     .list(' ', "v1,")?;
    ///
    /// let error = scheme.list(',', "v1,").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     r#"the label "v1," holds the separator ","; expected a label that fits into an item"#,
    /// );
    /// # Ok::<(), tower_webhook::signature::SchemeError>(())
    /// ```
    ///
    /// # Errors
    /// The separator is no ASCII character, or the label is empty, begins with a space, holds the
    /// separator or cannot stand in a header; or the label does not differ from the one of a
    /// [`timestamp_item`](Self::timestamp_item) that was named before.
    pub fn list(self, separator: impl Into<String>, label: &str) -> Result<Self, SchemeError> {
        let separator = separator.into();
        fits(&separator, label)?;
        if let Some(TimePlace::Item(of_time)) = self.timestamp.as_ref().map(|timestamp| &timestamp.place) {
            fits(&separator, of_time)?;
            differ(label, of_time)?;
        }
        Ok(self.with_list(separator.into(), label.to_owned().into()))
    }

    /// A list whose label is known to fit.
    pub(crate) fn list_of(self, separator: u8, label: &'static str) -> Self {
        self.with_list(String::from(char::from(separator)).into(), Cow::Borrowed(label))
    }

    fn with_list(mut self, separator: Cow<'static, str>, label: Cow<'static, str>) -> Self {
        let (Form::Alone(prefix) | Form::List { prefix, .. }) = &self.form;
        self.form = Form::List {
            prefix: prefix.clone(),
            separator,
            label,
        };
        self
    }

    /// As [`timestamp_header`](Self::timestamp_header), with the time in an item of the tag's own
    /// [`list`](Self::list), behind a label.
    ///
    /// # Errors
    /// The scheme has no list, or the label does not fit into it, or begins as the tag's does.
    pub fn timestamp_item(self, label: &str, tolerance: Duration) -> Result<Self, SchemeError> {
        let Form::List {
            separator, label: tags, ..
        } = &self.form
        else {
            return Err(SchemeError(Wrong::NoList));
        };
        fits(separator, label)?;
        differ(tags, label)?;
        Ok(self.timestamp(TimePlace::Item(label.to_owned().into()), tolerance))
    }

    /// An item whose label is known to fit.
    pub(crate) fn timestamp_item_of(self, label: &'static str, tolerance: Duration) -> Self {
        self.timestamp(TimePlace::Item(Cow::Borrowed(label)), tolerance)
    }
}

/// Whether an item with this label can stand in a list with this separator.
fn fits(separator: &str, label: &str) -> Result<(), SchemeError> {
    let first = separator
        .chars()
        .next()
        .filter(|first| *first == ' ' || first.is_ascii_graphic());
    let blanks = separator.get(1..).unwrap_or_default();
    let Some(first) = first.filter(|first| blanks.bytes().all(|blank| blank == b' ' && *first != ' ')) else {
        return Err(SchemeError(Wrong::Separator(separator.to_owned())));
    };
    if label.is_empty() || label.starts_with(' ') || label.contains(first) || HeaderValue::from_str(label).is_err() {
        return Err(SchemeError(Wrong::Item(label.to_owned(), separator.to_owned())));
    }
    Ok(())
}

/// Whether each item of a list has one of these labels at most.
fn differ(of_tags: &str, of_time: &str) -> Result<(), SchemeError> {
    if of_tags.starts_with(of_time) || of_time.starts_with(of_tags) {
        return Err(SchemeError(Wrong::Label(of_time.to_owned())));
    }
    Ok(())
}
