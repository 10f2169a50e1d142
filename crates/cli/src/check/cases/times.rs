//! Signed times: too old, too far ahead, and none at all.

use std::time::{Duration, SystemTime};

use super::super::case::{Case, Expected, Maker, one, refused};
use crate::{
    failure::Failure,
    provider::{Resent, Signer},
    wire::Request,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn cases(signer: &Signer) -> Vec<Case> {
    let provider = signer.provider;
    let in_body = provider.name == "linear";
    if !signer.scheme.signs_timestamp() && !in_body {
        return Vec::new();
    }
    // Twice as long as this project accepts, which is longer than any provider retries.
    let tolerance = signer.scheme.time_tolerance().unwrap_or(HOUR * 8);
    let long = tolerance * 2 + HOUR;
    let mut cases = vec![
        refused(
            "signed long ago",
            "a capture from a log or a backup is valid for ever where nobody compares the signed time",
            move |maker| sent(maker, SystemTime::now() - long),
        ),
        refused(
            "signed a year ago",
            "the same, in case the tolerance is some weeks",
            |maker| sent(maker, SystemTime::now() - DAY * 365),
        ),
        refused(
            "signed far ahead",
            "a check of the age alone takes a future time for a very young one, and such a capture stays valid until \
             then; it needs a provider whose clock is wrong",
            move |maker| sent(maker, SystemTime::now() + long),
        ),
    ];
    if in_body {
        return cases;
    }
    if provider.resent == Resent::SignedAgain {
        cases.push(refused(
            "signed just outside the tolerance",
            "300 seconds is what these providers' documents and SDKs say; a minute is left for clocks",
            move |maker| sent(maker, SystemTime::now() - tolerance - Duration::from_secs(60)),
        ));
    }
    let odd = [
        ("NaN", "a comparison with it is false in both directions"),
        ("-1", "an unsigned number that was parsed from it is far ahead"),
        ("Infinity", "JavaScript's Number() takes it, and nothing is later"),
        ("1e9", "a float is a time in no provider's document"),
        (
            "0x7fffffff",
            "some parsers take hexadecimal numbers, some stop at the x",
        ),
        (
            "99999999999999999999999",
            "more than 64 bits: a panic, an overflow, or the largest number",
        ),
        ("-9223372036854775808", "its absolute value does not exist in 64 bits"),
    ];
    for (text, why) in odd {
        cases.push(one(
            format!("the time is {text}, signed"),
            Expected::Steady,
            why,
            move |maker| {
                let mut request = maker.usual()?;
                let mut claims = maker.signer.claims(&request);
                claims.time = text.to_owned();
                maker.signer.put(&mut request, &claims, &maker.signer.tag(&claims));
                Ok(request)
            },
        ));
    }
    cases.push(one(
        "the time is in milliseconds, signed",
        Expected::Steady,
        "read as seconds it is 50,000 years ahead",
        |maker| {
            let mut request = maker.usual()?;
            let mut claims = maker.signer.claims(&request);
            claims.time.push_str("000");
            maker.signer.put(&mut request, &claims, &maker.signer.tag(&claims));
            Ok(request)
        },
    ));
    cases
}

/// A fresh event whose attempt was made, and signed, at this time.
fn sent(maker: &Maker, time: SystemTime) -> Result<Request, Failure> {
    let mut event = maker.event();
    event.sent = time;
    maker.signer.request(&event)
}
