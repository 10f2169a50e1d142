//! The bodies of the targets. They live with the tests, which run them too, and so that a packaged
//! crate has all that its tests need.

#![expect(dead_code, reason = "the tests' endpoint can do more than is fuzzed")]

#[path = "../../tests/it/endpoint.rs"]
mod endpoint;
#[path = "../../tests/it/fuzz_bodies/mod.rs"]
mod fuzz_bodies;
#[path = "../../tests/it/wire.rs"]
mod wire;

pub fn signature(bytes: &[u8]) {
    fuzz_bodies::signature::check(bytes);
}

pub fn event(bytes: &[u8]) {
    fuzz_bodies::event::check(bytes);
}

pub fn service(bytes: &[u8]) {
    fuzz_bodies::service::check(bytes);
}

pub fn store(bytes: &[u8]) {
    fuzz_bodies::store::check(bytes);
}

pub fn signed(bytes: &[u8]) {
    fuzz_bodies::signed::check(bytes);
}
