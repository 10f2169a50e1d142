//! Deliveries that come more than once, and events that only look like it.

use std::time::{Duration, SystemTime};

use super::super::case::{Action, Case, Expected, Sent, one, several, with_field};
use crate::{
    failure::Failure,
    provider::{FieldPlace, Provider, Resent, fresh_id},
    wire::{Framing, Piece},
};

pub(super) fn cases(provider: &'static Provider) -> Vec<Case> {
    let mut cases = copies();
    cases.extend(retries(provider));
    cases.extend(look_alikes(provider));
    cases
}

fn copies() -> Vec<Case> {
    let times = |copies: usize, name: &'static str, why: &'static str| {
        several(name, Expected::Handled(1), why, move |maker| {
            Ok(Action::InTurn(vec![Sent::from(maker.usual()?); copies]))
        })
    };
    vec![
        times(
            2,
            "a delivery twice",
            "every provider here says that it may deliver an event more than once",
        ),
        times(
            5,
            "a delivery five times",
            "a timeout at the provider makes a retry of what was handled",
        ),
        several(
            "a delivery twice over one connection",
            Expected::Handled(1),
            "the second finds the first's record, or does not",
            |maker| Ok(Action::OneConnection(vec![Sent::from(maker.usual()?); 2])),
        ),
        several(
            "ten copies at once",
            Expected::Handled(1),
            "`if (await seen(id)) return; await run(); await remember(id)` lets in all that come before the first ends",
            |maker| Ok(Action::AtOnce(vec![Sent::from(maker.usual()?); 10])),
        ),
        several(
            "two copies at once, one in chunks",
            Expected::Handled(1),
            "an event is its id, however it came",
            |maker| {
                let request = maker.usual()?;
                let mut chunked = request.clone();
                chunked.framing = Framing::Chunked(7);
                Ok(Action::AtOnce(vec![request.into(), chunked.into()]))
            },
        ),
        several(
            "the provider hangs up, and sends it again",
            Expected::Handled(1),
            "a handler that is cancelled with its request has done half; one that is not runs twice",
            |maker| {
                let request = maker.usual()?;
                let mut pieces = request.pieces(&maker.target);
                pieces.push(Piece::Pause(Duration::from_millis(5)));
                pieces.push(Piece::HangUp);
                let first = Sent::in_pieces(request.clone(), pieces).that_may_be_cut();
                Ok(Action::InTurn(vec![first, request.clone().into(), request.into()]))
            },
        ),
        several(
            "half a body, and the whole one again",
            Expected::Handled(1),
            "an id that was read from the headers and remembered before the body was there swallows the retry",
            |maker| {
                let request = maker.usual()?;
                let half = request.body.slice(..request.body.len() / 2);
                let pieces = vec![
                    Piece::Bytes(request.head(&maker.target, false)),
                    Piece::Bytes(half),
                    Piece::Pause(Duration::from_millis(20)),
                    Piece::HangUp,
                ];
                let first = Sent::in_pieces(request.clone(), pieces).that_may_be_cut();
                Ok(Action::InTurn(vec![first, request.into()]))
            },
        ),
        several(
            "a forgery, then the event itself",
            Expected::Handled(1),
            "an id that was remembered before the signature was verified lets anybody swallow events",
            |maker| {
                let request = maker.usual()?;
                let mut forged = request.clone();
                forged.body = [&forged.body[..], b" "].concat().into();
                // Whether it is refused is another case's question.
                let forged = Sent::from(forged).that_may_be_cut();
                Ok(Action::InTurn(vec![forged, request.into()]))
            },
        ),
    ]
}

fn retries(provider: &'static Provider) -> Vec<Case> {
    let mut cases = Vec::new();
    if provider.resent == Resent::SignedAgain {
        cases.push(several(
            "a retry that is signed again",
            Expected::Handled(1),
            "a key made of the signature or of the signed time is another one for each attempt",
            |maker| {
                let mut event = maker.event();
                let first = maker.signer.request(&event)?;
                event.sent = SystemTime::now() + Duration::from_secs(2);
                let second = maker.signer.request(&event)?;
                Ok(Action::InTurn(vec![first.into(), second.into()]))
            },
        ));
    }
    if provider.name == "linear" {
        cases.push(several(
            "a retry with a time of its own in the body",
            Expected::Handled(1),
            "webhookTimestamp is the sending's: a digest of the whole body differs with it",
            |maker| {
                let mut event = maker.event();
                let first = maker.signer.request(&event)?;
                event.sent = SystemTime::now() + Duration::from_secs(2);
                Ok(Action::InTurn(vec![first.into(), maker.signer.request(&event)?.into()]))
            },
        ));
    }
    let is_named = matches!(provider.id, FieldPlace::Body(_)) && provider.name != "zoom" || provider.shape.id.is_some();
    if is_named {
        cases.push(several(
            "a retry whose body counts the attempts",
            Expected::Handled(1),
            "bodies differ between attempts (Stripe's pending_webhooks; documenso#3204, mux-node-sdk#83): the id is the \
             event, not the digest",
            |maker| {
                let event = maker.event();
                let body = maker.body_of(&event)?;
                let attempt = |number: u32| -> Result<Sent, Failure> {
                    let body = with_field(&body, &format!(r#""check_attempt":{number}"#));
                    Ok(maker.signer.request_with(&event, body.into_bytes().into())?.into())
                };
                Ok(Action::InTurn(vec![attempt(1)?, attempt(2)?]))
            },
        ));
    }
    cases
}

fn look_alikes(provider: &'static Provider) -> Vec<Case> {
    let mut cases = Vec::new();
    if provider.id == FieldPlace::Header {
        cases.push(several(
            "two events with one body",
            Expected::Handled(2),
            "a member who is added, removed and added again: one body, two events; a digest of the body swallows one",
            |maker| {
                let event = maker.event();
                let body = maker.body_of(&event)?;
                let mut other = event.clone();
                other.id = fresh_id();
                let first = maker.signer.request_with(&event, body.clone().into_bytes().into())?;
                let second = maker.signer.request_with(&other, body.into_bytes().into())?;
                Ok(Action::InTurn(vec![first.into(), second.into()]))
            },
        ));
    }
    if provider.name == "github" {
        cases.push(several(
            "one delivery id with two bodies",
            Expected::Handled(2),
            "two Apps on one repository can share an id (github/docs#32822)",
            |maker| {
                let event = maker.event();
                let body = maker.body_of(&event)?;
                let other = with_field(&body, r#""installation":{"id":2}"#);
                let first = maker.signer.request_with(&event, body.into_bytes().into())?;
                let second = maker.signer.request_with(&event, other.into_bytes().into())?;
                Ok(Action::InTurn(vec![first.into(), second.into()]))
            },
        ));
    }
    if provider.name == "slack" {
        cases.push(several(
            "one event id of two apps",
            Expected::Handled(2),
            "Slack's ids are unique within an app; two apps behind one receiver get one id each their own",
            |maker| {
                let event = maker.event();
                let body = maker.body_of(&event)?;
                let other = body.replace(r#""api_app_id":"A1""#, r#""api_app_id":"A2""#);
                let first = maker.signer.request_with(&event, body.into_bytes().into())?;
                let second = maker.signer.request_with(&event, other.into_bytes().into())?;
                Ok(Action::InTurn(vec![first.into(), second.into()]))
            },
        ));
    }
    cases.push(one(
        "a topic that nobody handles",
        Expected::Acknowledged,
        "providers add topics; a 4xx makes them retry, and disable the endpoint in the end",
        |maker| {
            let mut event = maker.event();
            event.topic = match maker.signer.provider.name {
                "linear" => "TowerWebhookCheck.create".to_owned(),
                _ => "tower_webhook_check".to_owned(),
            };
            maker.signer.request(&event)
        },
    ));
    cases
}
