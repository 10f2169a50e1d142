//! Bytes on a connection that no provider sends. A receiver refuses them, or closes; then the next
//! delivery must find it well.

use std::time::Duration;

use super::super::case::{Action, Case, Expected, Maker, Sent, several};
use crate::{
    failure::Failure,
    wire::{Framing, Piece, Request},
};

/// A delivery that must be refused, or whose connection may be closed, in these pieces.
fn cut(
    name: &'static str,
    why: &'static str,
    expected: Expected,
    pieces: fn(&Maker, &mut Request) -> Vec<Piece>,
) -> Case {
    several(name, expected, why, move |maker| {
        let mut request = forged(maker)?;
        let pieces = pieces(maker, &mut request);
        Ok(Action::InTurn(vec![Sent::in_pieces(request, pieces).that_may_be_cut()]))
    })
}

/// With a tag that is wrong and has the right form.
fn forged(maker: &Maker) -> Result<Request, Failure> {
    maker.with_tag(|tag| changed(tag, 0))
}

const MIB: usize = 1024 * 1024;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = endings();
    cases.extend(sizes());
    cases.extend(framings());
    cases.push(several(
        "forty forgeries at once",
        Expected::Refused,
        "what a stranger may take up has a bound; 429 and 503 are fine",
        |maker| {
            let all = (0..40).map(|_| Ok(forged(maker)?.into()));
            Ok(Action::AtOnce(all.collect::<Result<_, Failure>>()?))
        },
    ));
    cases
}

fn endings() -> Vec<Case> {
    vec![
        cut(
            "the connection ends within the headers",
            "networks fail at any byte",
            Expected::Steady,
            |maker, request| {
                let head = request.head(&maker.target, false);
                let half = head.slice(..head.len() / 2);
                vec![
                    Piece::Bytes(half),
                    Piece::Pause(Duration::from_millis(50)),
                    Piece::HangUp,
                ]
            },
        ),
        cut(
            "the connection ends within the body",
            "an `aborted` event without a listener ends some processes",
            Expected::Steady,
            |maker, request| {
                vec![
                    Piece::Bytes(request.head(&maker.target, false)),
                    Piece::Bytes(request.body.slice(..request.body.len() / 2)),
                    Piece::Pause(Duration::from_millis(50)),
                    Piece::HangUp,
                ]
            },
        ),
        cut(
            "the connection ends within a chunk",
            "the end of a chunk never comes",
            Expected::Steady,
            |maker, request| {
                request.framing = Framing::Chunked(64);
                let body = request.framed_body();
                vec![
                    Piece::Bytes(request.head(&maker.target, false)),
                    Piece::Bytes(body.slice(..body.len() / 2)),
                    Piece::Pause(Duration::from_millis(50)),
                    Piece::HangUp,
                ]
            },
        ),
        cut(
            "a connection that says nothing",
            "it takes up a place until somebody closes it",
            Expected::Steady,
            |_, _| vec![Piece::Pause(Duration::from_millis(300)), Piece::HangUp],
        ),
        cut(
            "headers that trickle in",
            "Slowloris: a place for each connection, and no request ever",
            Expected::Steady,
            |maker, request| {
                let head = request.head(&maker.target, false);
                let bytes = head.chunks(12).take(20).map(<[u8]>::to_vec);
                bytes
                    .flat_map(|part| [Piece::Bytes(part.into()), Piece::Pause(Duration::from_millis(20))])
                    .chain([Piece::HangUp])
                    .collect()
            },
        ),
    ]
}

fn sizes() -> Vec<Case> {
    vec![
        cut(
            "a forged body of 16 MB",
            "a body is read before it is verified; its size must have a bound that a stranger cannot choose",
            Expected::Refused,
            |maker, request| {
                request.body = vec![b' '; 16 * MIB].into();
                let mut pieces = vec![Piece::Bytes(request.head(&maker.target, false))];
                pieces.extend((0..256).map(|_| Piece::Bytes(request.body.slice(..MIB / 16))));
                pieces
            },
        ),
        cut(
            "a forged body of 16 MB in chunks",
            "a limit that looks at Content-Length alone finds none here",
            Expected::Refused,
            |maker, request| {
                request.body = vec![b' '; 16 * MIB].into();
                request.framing = Framing::Chunked(MIB);
                let mut pieces = vec![Piece::Bytes(request.head(&maker.target, false))];
                pieces.push(Piece::Bytes(request.framed_body()));
                pieces
            },
        ),
        cut(
            "a body of 10 GB is announced",
            "room that is reserved by an announcement is taken by a header",
            Expected::Steady,
            |maker, request| {
                request.framing = Framing::LengthOf(10_000_000_000);
                vec![
                    Piece::Bytes(request.head(&maker.target, false)),
                    Piece::Bytes(request.body.clone()),
                    Piece::Pause(Duration::from_millis(200)),
                    Piece::HangUp,
                ]
            },
        ),
        cut(
            "a body of 2^64 bytes is announced",
            "more than a length holds",
            Expected::Steady,
            |maker, request| {
                request.append("content-length", "18446744073709551616");
                let head = request.head(&maker.target, false);
                vec![
                    Piece::Bytes(head),
                    Piece::Pause(Duration::from_millis(100)),
                    Piece::HangUp,
                ]
            },
        ),
        cut(
            "a header of 256 KB",
            "431, or the connection is closed",
            Expected::Refused,
            |maker, request| {
                request.append("x-check", "a".repeat(256 * 1024));
                request.pieces(&maker.target)
            },
        ),
        cut(
            "2,000 headers",
            "431, or the connection is closed",
            Expected::Refused,
            |maker, request| {
                for number in 0..2000 {
                    request.append(&format!("x-check-{number}"), "a");
                }
                request.pieces(&maker.target)
            },
        ),
    ]
}

fn framings() -> Vec<Case> {
    vec![
        cut(
            "a forgery with two lengths, chunks and Content-Length",
            "two servers that cut it differently see two requests: request smuggling (RFC 9112, 6.1)",
            Expected::Refused,
            |maker, request| {
                request.framing = Framing::Both;
                request.pieces(&maker.target)
            },
        ),
        cut(
            "a chunk's length that is none",
            "400, or the connection is closed",
            Expected::Refused,
            |maker, request| {
                request.framing = Framing::Chunked(64);
                vec![
                    Piece::Bytes(request.head(&maker.target, false)),
                    Piece::Bytes(b"zz\r\n{}\r\n0\r\n\r\n".as_slice().into()),
                ]
            },
        ),
        cut(
            "bytes that are no HTTP",
            "port scanners and TLS clients come by every day",
            Expected::Refused,
            |_, _| {
                vec![Piece::Bytes(
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"
                        .as_slice()
                        .into(),
                )]
            },
        ),
    ]
}

/// Wrong tags that differ in their first letter, and wrong tags that differ in their last: how long
/// each takes.
pub(super) fn even_times() -> Case {
    several(
        "the time a wrong tag takes",
        Expected::EvenTimes,
        "a comparison that ends at the first difference tells, letter by letter, how much of a guess is right",
        |maker| {
            let mut first = Vec::new();
            let mut last = Vec::new();
            for _ in 0..2 {
                first.push(maker.with_tag(|tag| changed(tag, 0))?);
                let at = |tag: &str| tag.trim_end_matches('=').len() - 2;
                last.push(maker.with_tag(|tag| changed(tag, at(tag)))?);
            }
            Ok(Action::Times([first, last]))
        },
    )
}

fn changed(tag: &str, at: usize) -> String {
    let letters = tag.chars().enumerate();
    let other = |letter| if letter == '1' { '2' } else { '1' };
    letters
        .map(|(index, letter)| if index == at { other(letter) } else { letter })
        .collect()
}
