//! The fuzzed functions, driven by random bytes: the same few in every test run, without a file
//! left behind. The folder `fuzz/` of the repository drives them for hours.

use proptest::prelude::*;

use crate::fuzz_bodies;

/// The published bodies, as they are and as what a change begins with.
const FORMS: [&[u8]; 7] = [
    include_bytes!("../fixtures/dwolla/connect.json"),
    include_bytes!("../fixtures/dwolla/delivered.json"),
    include_bytes!("../fixtures/dwolla/delivered_typed_links.json"),
    include_bytes!("../fixtures/dwolla/documented.json"),
    include_bytes!("../fixtures/dwolla/events_api.json"),
    include_bytes!("../fixtures/dwolla/guide_2015.json"),
    include_bytes!("../fixtures/dwolla/wire_2015.json"),
];

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

#[test]
fn the_published_events_are_events_here_and_in_the_model() {
    for form in FORMS {
        fuzz_bodies::event::check(form);
        let shown = String::from_utf8_lossy(form);
        assert!(fuzz_bodies::event::expected(form).is_some(), "{shown}");
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn a_signature_is_accepted_exactly_when_another_implementation_agrees(bytes in bytes(300)) {
        fuzz_bodies::signature::check(&bytes);
    }

    #[test]
    fn so_is_what_signs_a_time_and_an_id_or_lists_its_tags(bytes in bytes(300)) {
        fuzz_bodies::signed::check(&bytes);
    }

    #[test]
    fn a_body_is_an_event_exactly_when_a_second_statement_says_so(bytes in bytes(300)) {
        let decisions = [&[0x80], &*bytes].concat();
        fuzz_bodies::event::check(&decisions);
    }

    #[test]
    fn so_is_a_published_body_with_changes(form in 0..FORMS.len(), changes in bytes(40)) {
        let mut body = FORMS[form].to_vec();
        let mut changes = fuzz_bodies::Input::new(&changes);
        for _ in 0..4 {
            changes.edit(&mut body);
        }
        fuzz_bodies::event::check(&body);
    }
}

#[cfg(all(feature = "memory", feature = "test-util"))]
proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn the_service_does_with_any_requests_what_the_model_foretells(bytes in bytes(1000)) {
        fuzz_bodies::service::check(&bytes);
    }

    #[test]
    fn the_store_does_with_any_operations_what_the_model_does(bytes in bytes(400)) {
        fuzz_bodies::store::check(&bytes);
    }
}
