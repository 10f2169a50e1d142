//! Tags in a list: what may be beside them, and their separators.

#![cfg(test)] // for clippy

use super::*;

#[test]
fn a_prefix_or_another_list_beside_a_time_in_the_list_is_refused_or_works() {
    let listed = || {
        new("x-signature", Encoding::Hex)
            .list(',', "v1=")
            .unwrap()
            .timestamp_item("t=", EVER)
            .unwrap()
    };
    let secrets = Secrets::new(SECRET).unwrap();
    // A prefix comes before the list, whichever was set first.
    let prefix = || HeaderValue::from_static("HMAC ");
    let before = new("x-signature", Encoding::Hex)
        .prefix(prefix())
        .list(',', "v1=")
        .unwrap()
        .timestamp_item("t=", EVER)
        .unwrap();
    assert_eq!(before, listed().prefix(prefix()));
    let headers = before.sign_at(&secrets, "", at(0), b"body").unwrap();
    let value = headers["x-signature"].to_str().unwrap();
    assert!(value.starts_with("HMAC t=0,v1="), "{value}");
    assert_eq!(verdict(&before, &secrets, &headers, b"body", at(0)), Ok(()));
    assert_eq!(
        verdict(&listed(), &secrets, &headers, b"body", at(0)),
        Err(Kind::Malformed)
    );
    let bare = listed().sign_at(&secrets, "", at(0), b"body").unwrap();
    assert_eq!(verdict(&before, &secrets, &bare, b"body", at(0)), Err(Kind::Malformed));

    // Another list still has the time.
    let other = listed().list(';', "h1=").unwrap();
    let headers = other.sign_at(&secrets, "", at(0), b"body").unwrap();
    assert_eq!(verdict(&other, &secrets, &headers, b"body", at(0)), Ok(()));
    for label in ["t=", "t", "t=1"] {
        assert_eq!(
            wrong(listed().list(';', label)),
            "the label \"t=\" of the time begins as the tag's does; expected two that differ"
        );
    }
    assert_eq!(
        wrong(listed().list('=', "v1")),
        r#"the label "t=" holds the separator "="; expected a label that fits into an item"#
    );
}

#[test]
fn a_separator_is_one_character_and_the_spaces_behind_it() {
    let list = |separator: &str| new("x-signature", Encoding::Hex).list(separator, "v1=");
    for good in [",", ";", " ", ", ", ",  ", "|"] {
        assert!(list(good).is_ok(), "{good:?}");
    }
    for bad in ["", ",,", " ,", "  ", ", ;", "\t", ",\t", "é", "\n"] {
        assert_eq!(
            wrong(list(bad)),
            format!(
                "items cannot be separated by {bad:?}; expected one printable ASCII character, with spaces behind it where the provider \
                 writes them"
            )
        );
    }
    assert_eq!(
        wrong(new("x-signature", Encoding::Hex).list(',', " v1=")),
        "items between \",\" that begin with \" v1=\" cannot stand in a header; expected printable ASCII and a label that begins with \
         no space"
    );
}

#[test]
fn the_spaces_of_a_separator_are_demanded() {
    let scheme = ghost().unwrap();
    let secrets = Secrets::new(SECRET).unwrap();
    let signed = scheme.sign_at(&secrets, "", at(1_700_000_000_123), b"{}").unwrap();
    let value = signed["x-ghost-signature"].to_str().unwrap().to_owned();
    let with = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-ghost-signature", value.parse().unwrap());
        verdict(&scheme, &secrets, &headers, b"{}", at(1_700_000_000_123))
    };
    assert_eq!(with(&value), Ok(()));
    let (time, tag) = value.split_once(", ").unwrap();
    assert_eq!(with(&format!("{tag}, {time}")), Ok(()));
    assert_eq!(with(&format!("{tag}, other, {time}")), Ok(()));
    for refused in [
        format!("{tag},{time}"),
        format!("{tag},  {time}"),
        format!("{tag},\t{time}"),
        format!("{tag}; {time}"),
        format!("{tag}, {time}, {time}"),
        tag.to_owned(),
        time.to_owned(),
    ] {
        assert_eq!(with(&refused), Err(Kind::Malformed), "{refused}");
    }
}
