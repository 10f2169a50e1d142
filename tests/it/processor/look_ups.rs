//! What a processor says of its layer and of its store.

#![cfg(test)] // for clippy

use super::*;

#[test]
fn a_processor_shows_its_provider_and_no_secret() {
    let doors = Doors::new(succeed);
    assert_eq!(
        format!("{:?}", doors.processor),
        "Processor { provider: \"dwolla\", .. }"
    );
}

#[tokio::test(start_paused = true)]
async fn a_look_up_reads_the_layers_record_and_says_what_is_wanted() {
    let doors = Doors::new(succeed);
    assert_eq!(doors.processor.provider(), "dwolla");
    assert_eq!(doors.processor.namespace(), "dwolla");
    assert!(doors.processor.wants("customer_created"));
    assert!(!doors.processor.wants("customer_verified"));
    let store = doors.processor.store();
    assert_eq!(store.identity(), doors.store.identity());
    assert_eq!(store.get(&key("1")).await.unwrap(), None);
    doors.deliver("1").await.assert_acknowledged();
    assert_state(store.get(&key("1")).await.unwrap(), "handled");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_or_panics_ends_a_look_up_in_its_time() {
    let doors = Doors::new(succeed);
    for fault in [Fault::HangBeforeApplying, Fault::Panic] {
        doors.store.fail(Operation::Get, fault, 1);
        doors.processor.store().get(&key("1")).await.unwrap_err();
    }
}
