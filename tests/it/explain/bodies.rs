//! Bodies that were changed on their way, and how far a search goes.

#![cfg(test)] // for clippy

use super::*;

#[test]
fn each_change_of_the_body_is_named_for_every_provider() {
    for provider in PROVIDERS {
        for (kind, signed, received) in bodies() {
            provider.finds(&[kind], &provider.key(), &signed, SECRET, &received);
        }
        // indented by 4, as it came or as it was signed; keys in another order are what nobody can
        // undo
        let sorted: serde_json::Value = serde_json::from_str(BODY).unwrap();
        let sorted = sorted.to_string();
        let four = printed("    ");
        let kinds = [Kind::BodyReserialized];
        provider.finds(&kinds, &provider.key(), sorted.as_bytes(), SECRET, &four);
        provider.finds(&kinds, &provider.key(), &four, SECRET, sorted.as_bytes());
    }
}

/// Whatever a stranger sends, a search ends, and soon: the bound is on work, and this is what takes
/// most of it.
#[test]
fn a_search_is_bounded() {
    let nested = "[".repeat(100_000) + &"]".repeat(100_000);
    let large = vec![b'x'; 8 << 20];
    let mut many = HeaderMap::new();
    for index in 0..200 {
        let name: HeaderName = format!("x-signature-{index}").parse().unwrap();
        many.insert(
            name,
            format!("{index:064x},{index:064x},{index:0128x}").parse().unwrap(),
        );
    }
    many.extend(PLAIN.sign(b"another secret", BODY.as_bytes()));
    for body in [nested.as_bytes(), &large, b"\x1f\x8b\x08", BODY.as_bytes()] {
        let explanation = PLAIN.explain(SECRET, &many, body);
        assert!(!explanation.is_certain());
    }
    let stopped = PLAIN.explain(SECRET, &many, &large).to_string();
    assert!(stopped.contains("the search stopped at its limit"), "{stopped}");
    let mut said = String::new();
    write!(said, "{}", PLAIN.explain(SECRET, &many, BODY.as_bytes())).unwrap();
    assert!(!said.contains("stopped"), "{said}");
}

/// A megabyte of zeros is a kilobyte of gzip: what it stands for is not written beyond the bound.
#[cfg(feature = "gzip")]
#[test]
fn a_body_that_stands_for_a_large_one_is_not_unpacked() {
    use std::io::Write as _;
    let zeros = vec![0; 16 << 20];
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    encoder.write_all(&zeros).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 64 << 10);
    let explanation = PLAIN.explain(SECRET, &PLAIN.sign(SECRET.as_bytes(), &zeros), &bomb);
    assert_eq!(explanation.kind(), Kind::BodyCompressed);
    assert!(!explanation.is_certain());
}
