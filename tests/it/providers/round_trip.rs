//! What is signed is verified, and nothing else is: for bodies, ids, times and secrets that nobody
//! chose.

#![cfg(test)] // for clippy

use proptest::prelude::*;
use tower_webhook::signature::{SignatureErrorKind as Kind, verify_at};

use super::*;

/// A secret of this provider, out of bytes.
fn secret(provider: &Described, seed: &[u8], prefixed: bool) -> String {
    match provider.key {
        // No quotes, which would be around it.
        Key::AsIs => seed.iter().map(|byte| char::from(b'A' + byte % 31)).collect(),
        Key::Base64 if prefixed => format!("whsec_{}", STANDARD.encode(seed)),
        Key::Base64 => STANDARD.encode(seed),
    }
}

/// As [`Provider::claims`], under any secret.
fn claims(provider: &Described, secret: &str, id: &str, time: u64, body: &[u8]) -> Claims {
    let time = time.to_string().into_bytes();
    let tag = provider.write(&provider.mac(secret, id.as_bytes(), &time, body));
    Claims {
        id: id.as_bytes().to_vec(),
        value: provider.value(&time, tag.as_bytes()),
        time,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_signed_is_verified_and_nothing_beside_it(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        other_body in proptest::collection::vec(any::<u8>(), 0..300),
        id in "[!-\\-/-~]{1,255}",
        other_id in "[!-\\-/-~]{1,20}",
        time in prop_oneof![0_u64..=99_999_999_999, Just(0), Just(99_999_999_999), 1_600_000_000_u64..2_000_000_000],
        other_time in 0_u64..=99_999_999_999,
        nanos in 0_u32..1_000_000_000,
        off in -400_i64..400,
        seed in proptest::collection::vec(any::<u8>(), 24..=75),
        other_seed in proptest::collection::vec(any::<u8>(), 24..=75),
        prefixed in any::<bool>(),
    ) {
        for provider in providers() {
            let (scheme, name) = ((provider.scheme)(), provider.name);
            let (ours, theirs) = (secret(&provider, &seed, prefixed), secret(&provider, &other_seed, prefixed));
            let (ours, other) = ((Secrets::new(ours.as_str()).unwrap(), ours), theirs);
            let (secrets, ours) = ours;
            let signed_at = at(time) + Duration::from_nanos(u64::from(nanos));
            let signed = scheme.sign_at(&secrets, &id, signed_at, &body).unwrap();
            // As another implementation signs.
            let right = claims(&provider, &ours, &id, time, &body);
            prop_assert_eq!(&signed, &provider.headers(&right).unwrap(), "{}", name);

            let now = at(time.saturating_add_signed(off));
            let verdict = |headers: &HeaderMap, body: &[u8]| {
                verify_at(&scheme, &secrets, headers, body, now).map(drop).map_err(|error| error.kind())
            };
            let far = provider.tolerance().is_some_and(|most| time.abs_diff(time.saturating_add_signed(off)) > most);
            let expected = if far { Err(Kind::Timestamp) } else { Ok(()) };
            prop_assert_eq!(verdict(&signed, &body), expected, "{}", name);

            // Another body, id, time or secret: the tag is another.
            if other_body != body {
                prop_assert_eq!(verdict(&signed, &other_body), Err(Kind::Mismatch), "{}", name);
            }
            let mut longer = body.clone();
            longer.push(seed[0]);
            prop_assert_eq!(verdict(&signed, &longer), Err(Kind::Mismatch), "{}", name);
            let same_tag = |id: &str, time: u64| {
                let text = time.to_string().into_bytes();
                let tag = provider.write(&provider.mac(&ours, right.id.as_slice(), right.time.as_slice(), &body));
                let moved = Claims { id: id.as_bytes().to_vec(), value: provider.value(&text, tag.as_bytes()), time: text };
                provider.headers(&moved).unwrap()
            };
            if provider.id.is_some() && other_id != id {
                prop_assert_eq!(verdict(&same_tag(&other_id, time), &body), Err(Kind::Mismatch), "{}", name);
            }
            if provider.tolerance().is_some() && other_time != time {
                prop_assert_eq!(verdict(&same_tag(&id, other_time), &body), Err(Kind::Mismatch), "{}", name);
            }
            if other != ours {
                let forged = provider.headers(&claims(&provider, &other, &id, time, &body)).unwrap();
                prop_assert_eq!(verdict(&forged, &body), Err(Kind::Mismatch), "{}", name);
                let both = Secrets::several([other.as_str(), ours.as_str()]).unwrap();
                let verified = verify_at(&scheme, &both, &signed, &body, signed_at);
                prop_assert_eq!(verified.map(|verified| verified.secret_index()), Ok(1), "{}", name);
            }
        }
    }

    #[test]
    fn no_headers_make_a_provider_panic_or_accept(
        value in proptest::collection::vec(any::<u8>(), 0..200),
        time in prop_oneof![proptest::collection::vec(any::<u8>(), 0..30), Just(NOW.to_string().into_bytes())],
        id in prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), Just(b"msg_1".to_vec())],
        body in proptest::collection::vec(any::<u8>(), 0..50),
        keep_form in any::<bool>(),
    ) {
        for provider in providers() {
            let verifier = (provider.keyed)(&provider.secret(1)).unwrap();
            let value = if keep_form { provider.value(&time, &value) } else { value.clone() };
            let claims = Claims { id: id.clone(), time: time.clone(), value };
            let Some(headers) = provider.headers(&claims) else { continue };
            let error = verifier.verify_at(&headers, &body, at(NOW)).unwrap_err();
            prop_assert!(!error.to_string().is_empty());
            prop_assert_eq!(verifier.begin(&headers).map(drop).is_err(), error.kind() != Kind::Mismatch);
        }
    }
}
