//! Each tag has one text in each encoding.

#![cfg(test)] // for clippy

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};

use super::*;

#[test]
fn a_tag_has_one_text_in_each_encoding() {
    let secrets = Secrets::new(SECRET).unwrap();
    // A body whose tag has letters in hex, and what the base64 alphabets write otherwise.
    let (body, tag) = (0_u32..)
        .map(|number| number.to_string())
        .map(|body| (body.clone(), hmac(false, SECRET.as_bytes(), body.as_bytes())))
        .find(|(_, tag)| {
            let text = STANDARD.encode(tag);
            text.contains('+') && text.contains('/')
        })
        .unwrap();
    let last_bits = |text: &str| {
        // The last letter has two bits that are not the tag's.
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (head, last) = text.split_at(text.len() - 1);
        let next = letters.find(last).unwrap() + 1;
        format!("{head}{}", &letters[next..=next])
    };
    let url = URL_SAFE_NO_PAD.encode(&tag);
    let texts = [
        hex::encode(&tag),
        hex::encode_upper(&tag),
        STANDARD.encode(&tag),
        url.clone(),
        URL_SAFE.encode(&tag),
        STANDARD_NO_PAD.encode(&tag),
        last_bits(&url),
        format!("{}{}", &hex::encode(&tag)[..32], &hex::encode_upper(&tag)[32..]),
        hex::encode(&tag[..20]),
    ];
    for (right, encoding) in [
        (0, Encoding::Hex),
        (1, Encoding::HexUpper),
        (2, Encoding::Base64),
        (3, Encoding::Base64Url),
    ] {
        let scheme = new("x-signature", encoding);
        assert_eq!(
            scheme.sign(&secrets, body.as_bytes()).unwrap()["x-signature"],
            texts[right]
        );
        for (index, text) in texts.iter().enumerate() {
            let mut headers = HeaderMap::new();
            headers.insert("x-signature", text.parse().unwrap());
            let expected = match index {
                _ if index == right => Ok(()),
                8 => Err(Kind::Sha1),
                _ => Err(Kind::Malformed),
            };
            let found = verdict(&scheme, &secrets, &headers, body.as_bytes(), at(0));
            assert_eq!(found, expected, "{text} as {encoding}");
        }
    }
}
