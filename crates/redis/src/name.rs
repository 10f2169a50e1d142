//! The name of a record's key in the server.
//!
//! `<prefix>:<namespace>:<id>`, as in `webhook:dwolla:bb6531a2`. In the namespace `%`, `:` and
//! control characters are written as `%25`, `%3A` and so on, so that no two keys share a name; the
//! id, which comes last, stands as it is. A script touches one key, so a cluster may keep each
//! where it likes: none is tied to others by a hash tag.

use std::fmt::Write as _;

use tower_webhook::{event::EventId, store::Key};

/// The name of the record of this key.
pub(crate) fn of(prefix: &str, key: &Key) -> String {
    let mut name = stem(prefix, key.namespace());
    name.push_str(key.id().as_str());
    name
}

/// The prefix of all names of a namespace.
pub(crate) fn stem(prefix: &str, namespace: &str) -> String {
    // Room for an id, too: a UUID and a little.
    let mut stem = String::with_capacity(prefix.len() + namespace.len() + 48);
    stem.push_str(prefix);
    stem.push(':');
    for letter in namespace.chars() {
        if letter == '%' || letter == ':' || letter.is_control() {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(stem, "%{byte:02X}");
            }
        } else {
            stem.push(letter);
        }
    }
    stem.push(':');
    stem
}

/// The id in a name with this stem.
pub(crate) fn id(stem: &str, name: &str) -> Option<EventId> {
    EventId::new(name.strip_prefix(stem)?).ok()
}

/// The glob that fits the names with this stem, and no others.
pub(crate) fn glob(stem: &str) -> String {
    let mut glob = String::with_capacity(stem.len() + 8);
    for letter in stem.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\') {
            glob.push('\\');
        }
        glob.push(letter);
    }
    glob.push('*');
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_stand() {
        let id = EventId::new("evt:1 {a}").unwrap();
        assert_eq!(
            of("webhook", &Key::new("stripe", id.clone())),
            "webhook:stripe:evt:1 {a}"
        );
        assert_eq!(
            of("prod:webhook", &Key::new("a:b%\n", id)),
            "prod:webhook:a%3Ab%25%0A:evt:1 {a}"
        );
    }

    #[test]
    fn an_id_is_found_in_its_name_only() {
        let stem = stem("webhook", "a");
        assert_eq!(id(&stem, "webhook:a:b:c").unwrap().as_str(), "b:c");
        assert_eq!(id(&stem, "webhook:b:c"), None);
        assert_eq!(id(&stem, "webhook:a:"), None);
    }

    #[test]
    fn a_glob_takes_nothing_for_a_pattern() {
        assert_eq!(glob(&stem("w[x]", "a*?\\")), "w\\[x\\]:a\\*\\?\\\\:*");
    }
}
