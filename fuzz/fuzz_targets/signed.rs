#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tower_webhook_fuzz::signed(bytes));
