//! Lists of tags: what is passed over, what counts, and where it ends.

#![cfg(test)] // for clippy

use tower_webhook::signature::SignatureErrorKind as Kind;

use super::{verifier_endpoint::VerifierEndpoint, *};

const BODY: &[u8] = br#"{"id":"1"}"#;

/// A provider with a list, and what its items are made of.
struct List {
    endpoint: VerifierEndpoint,
    separator: char,
    label: &'static str,
    /// The time's item, where there is one.
    time: Option<String>,
    tag: String,
    /// A tag in form, but of nothing.
    wrong: String,
}

fn lists() -> Vec<List> {
    let lists: Vec<List> = providers()
        .into_iter()
        .filter_map(|provider| {
            let Form::List(separator, label) = provider.form else {
                return None;
            };
            Some(List {
                endpoint: VerifierEndpoint::of(provider),
                separator,
                label,
                time: match provider.time {
                    Time::Item(label, _) => Some(format!("{label}{NOW}")),
                    _ => None,
                },
                tag: provider.tag(b"msg_1", NOW.to_string().as_bytes(), BODY),
                wrong: provider.write(&[7; 32]),
            })
        })
        .collect();
    let names: Vec<_> = lists.iter().map(|list| list.endpoint.provider.name).collect();
    assert_eq!(names, ["stripe", "paddle", "standard-webhooks", "svix"]);
    lists
}

impl List {
    fn good(&self) -> String {
        format!("{}{}", self.label, self.tag)
    }

    fn bad(&self) -> String {
        format!("{}{}", self.label, self.wrong)
    }

    /// Exactly these items.
    fn headers_of(&self, items: &[String]) -> HeaderMap {
        let value = items.join(&self.separator.to_string());
        let provider = &self.endpoint.provider;
        let claims = Claims {
            value: value.into_bytes(),
            ..provider.now(BODY)
        };
        provider.headers(&claims).unwrap()
    }

    /// The time, then these items.
    fn headers<T: Into<String>>(&self, items: impl IntoIterator<Item = T>) -> HeaderMap {
        let items: Vec<_> = self
            .time
            .clone()
            .into_iter()
            .chain(items.into_iter().map(Into::into))
            .collect();
        self.headers_of(&items)
    }

    async fn accept<T: Into<String>>(&self, what: &str, items: impl IntoIterator<Item = T>) {
        self.endpoint.accept(what, &self.headers(items), BODY).await;
    }

    async fn refuse<T: Into<String>>(&self, what: &str, items: impl IntoIterator<Item = T>, kind: Kind) {
        self.endpoint.refuse(what, &self.headers(items), BODY, kind).await;
    }

    /// How many items have room beside the time.
    fn room(&self) -> usize {
        16 - usize::from(self.time.is_some())
    }

    /// Items in which no tag can be read.
    fn undecodable(&self) -> Vec<String> {
        let (label, tag) = (self.label, &self.tag);
        vec![
            label.to_owned(),
            format!("{label}!"),
            format!("{label}not a tag").replace(self.separator, "_"),
            format!("{label}{}", &tag[1..]),
            format!("{label}{tag}="),
            format!("{label}{}", "é".repeat(tag.len() / 2)),
            format!("{label}{label}{tag}"),
        ]
    }
}

#[tokio::test]
async fn one_good_tag_in_a_list_is_enough_wherever_it_is() {
    for list in lists() {
        let (good, bad) = (list.good(), list.bad());
        list.accept("alone", [&good]).await;
        list.accept("first", [&good, &bad, &bad]).await;
        list.accept("in the middle", [&bad, &good, &bad]).await;
        list.accept("last", [&bad, &bad, &good]).await;
        list.accept("twice", [&good, &good]).await;
        list.refuse("none", [&bad, &bad], Kind::Mismatch).await;
    }
}

#[tokio::test]
async fn a_list_has_sixteen_items_and_no_more() {
    for list in lists() {
        let (good, bad, room) = (list.good(), list.bad(), list.room());
        let with_last = |number: usize, other: &str| {
            let mut items = vec![other.to_owned(); number - 1];
            items.push(good.clone());
            items
        };
        for other in [&bad, "", "v9=x", list.label] {
            list.accept("the last of 16", with_last(room, other)).await;
            list.refuse("the last of 17", with_last(room + 1, other), Kind::Malformed)
                .await;
            let mut first = with_last(room + 1, other);
            first.reverse();
            list.refuse("the first of 17", first, Kind::Malformed).await;
        }
        list.refuse("sixteen wrong ones", vec![bad.clone(); room], Kind::Mismatch)
            .await;
        list.refuse("ten thousand", vec![bad; 1000], Kind::Malformed).await;
    }
}

#[tokio::test]
async fn items_of_other_versions_alone_are_no_signature() {
    for list in lists() {
        let tag = &list.tag;
        let other = |version: &str| {
            let label = list.label.replace(['1', '0'], version);
            assert_ne!(label, list.label);
            format!("{label}{tag}")
        };
        list.refuse("another version", [other("2")], Kind::Malformed).await;
        list.refuse("all others", ["2", "3", "", "1a"].map(other), Kind::Malformed)
            .await;
        list.refuse("no version", [tag.as_str()], Kind::Malformed).await;
        list.refuse("in capitals", [list.good().to_uppercase()], Kind::Malformed)
            .await;
        list.refuse("a space before", [format!("\t{}", list.good())], Kind::Malformed)
            .await;
        list.refuse("only the time", Vec::<String>::new(), {
            if list.time.is_some() {
                Kind::Malformed
            } else {
                Kind::Empty
            }
        })
        .await;
        // Beside a good one they are passed over.
        list.accept("beside", [other("2"), list.good(), other("1a")]).await;
    }
}

#[tokio::test]
async fn empty_items_are_passed_over() {
    for list in lists() {
        let good = list.good();
        let empty = "";
        list.accept("before", [empty, empty, &good]).await;
        list.accept("behind", [&good, empty, empty]).await;
        list.accept("around", [empty, &good, empty]).await;
        list.refuse("alone", [empty, empty, empty], Kind::Malformed).await;
    }
}

#[tokio::test]
async fn an_item_that_is_no_tag_spoils_none_of_the_others() {
    for list in lists() {
        let good = list.good();
        for item in list.undecodable() {
            let what = format!("{item:?}");
            list.refuse(&what, [&item], Kind::Malformed).await;
            list.accept(&what, [&item, &good]).await;
            list.accept(&what, [&good, &item]).await;
            list.refuse(&what, [&item, &list.bad()], Kind::Mismatch).await;
        }
        list.accept("all of them", list.undecodable().into_iter().chain([good]))
            .await;
        list.refuse("all of them alone", list.undecodable(), Kind::Malformed)
            .await;
    }
}

#[tokio::test]
async fn another_separator_makes_one_item_of_all() {
    for list in lists() {
        for separator in [",", ";", " ", "|", "\t", "&"] {
            if separator == list.separator.to_string() {
                continue;
            }
            let items: Vec<_> = list.time.iter().cloned().chain([list.good(), list.bad()]).collect();
            let headers = list.headers_of(&[items.join(separator)]);
            list.endpoint.refuse(separator, &headers, BODY, Kind::Malformed).await;
        }
    }
}

#[tokio::test]
async fn the_time_may_stand_anywhere_in_the_list() {
    for list in lists() {
        let Some(time) = list.time.clone() else {
            continue;
        };
        let (good, bad) = (list.good(), list.bad());
        for items in [
            [good.clone(), time.clone(), bad.clone()],
            [bad.clone(), good.clone(), time],
        ] {
            list.endpoint.accept("the time", &list.headers_of(&items), BODY).await;
        }
    }
}

#[tokio::test]
async fn each_of_several_secrets_may_have_made_each_of_several_tags() {
    for list in lists() {
        let provider = list.endpoint.provider;
        let both = Secrets::several([provider.secret(1), provider.secret(2)]).unwrap();
        let verifier = Verifier::new(&(provider.scheme)(), &both).unwrap();
        let time = NOW.to_string();
        let item = |secret: u8| {
            let mac = provider.mac(&provider.secret(secret), b"msg_1", time.as_bytes(), BODY);
            format!("{}{}", list.label, provider.write(&mac))
        };
        // The first secret that matches is named, whatever the order of the tags.
        for (tags, named) in [
            ([1, 2], Some(0)),
            ([2, 1], Some(0)),
            ([3, 2], Some(1)),
            ([2, 3], Some(1)),
            ([3, 4], None),
        ] {
            let headers = list.headers(tags.map(item));
            let verified = verifier.verify_at(&headers, BODY, at(NOW));
            assert_eq!(
                verified.ok().map(|verified| verified.secret_index()),
                named,
                "{}: {tags:?}",
                provider.name
            );
        }
    }
}
