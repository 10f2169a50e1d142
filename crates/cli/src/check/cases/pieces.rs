//! Legitimate deliveries in pieces, over time, and many at once.

use std::time::Duration;

use super::{
    super::case::{Action, Case, Expected, Sent, several},
    legitimate::handled,
};
use crate::{
    failure::Failure,
    wire::{Framing, Piece},
};

pub(super) fn cases() -> Vec<Case> {
    let chunked = |name: &'static str, size: usize, why: &'static str| {
        handled(name, why, move |maker| {
            let mut request = maker.usual()?;
            request.framing = Framing::Chunked(size);
            Ok(request)
        })
    };
    let pieces = |name: &'static str, why: &'static str, cut: fn(&[u8]) -> Vec<Piece>| {
        several(name, Expected::Handled(1), why, move |maker| {
            let request = maker.usual()?;
            let mut pieces = vec![Piece::Bytes(request.head(&maker.target, false))];
            pieces.extend(cut(&request.body));
            Ok(Action::InTurn(vec![Sent::in_pieces(request, pieces)]))
        })
    };
    vec![
        chunked("a chunked body", 1024, "clients that stream know no length beforehand"),
        chunked("chunks of one byte", 1, "a body is its bytes, however they are cut"),
        pieces(
            "the body half a second behind the headers",
            "a handler that reads what is there, and not until the end, verifies a part",
            |body| {
                vec![
                    Piece::Pause(Duration::from_millis(500)),
                    Piece::Bytes(body.to_vec().into()),
                ]
            },
        ),
        pieces(
            "a body that trickles in",
            "a busy provider or a bad line; a deadline of a second for a body refuses it",
            |body| {
                let piece = (body.len() / 12).max(1);
                let bytes = |part: &[u8]| {
                    [
                        Piece::Bytes(part.to_vec().into()),
                        Piece::Pause(Duration::from_millis(100)),
                    ]
                };
                body.chunks(piece).flat_map(bytes).collect()
            },
        ),
        several(
            "Expect: 100-continue",
            Expected::Handled(1),
            "curl and .NET ask before they send a larger body",
            |maker| {
                let mut request = maker.usual()?;
                request.append("expect", "100-continue");
                let pieces = vec![
                    Piece::Bytes(request.head(&maker.target, false)),
                    Piece::Pause(Duration::from_millis(100)),
                    Piece::Bytes(request.body.clone()),
                ];
                Ok(Action::InTurn(vec![Sent::in_pieces(request, pieces)]))
            },
        ),
        several(
            "two events over one connection",
            Expected::Handled(2),
            "providers keep connections open; what the first left unread must not become the second",
            |maker| {
                Ok(Action::OneConnection(vec![
                    maker.usual()?.into(),
                    maker.usual()?.into(),
                ]))
            },
        ),
        several(
            "twenty events at once",
            Expected::Handled(20),
            "a bulk change at the provider is a burst here; limits by address refuse it",
            |maker| {
                let requests = (0..20).map(|_| Ok(maker.usual()?.into()));
                Ok(Action::AtOnce(requests.collect::<Result<_, Failure>>()?))
            },
        ),
    ]
}
