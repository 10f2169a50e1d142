//! HTTP/1.1 as it goes over the wire: the exact bytes, in the pieces and at the times that a
//! caller chooses. No client of the usual kind sends two lengths, half a body or a header in
//! capitals.

mod connection;
mod request;
mod response;
mod roots;
mod target;

pub(crate) use connection::{Connection, exchange};
pub(crate) use request::{Framing, Piece, Request};
pub(crate) use response::{NoResponse, Response};
pub(crate) use roots::RootArgs;
pub(crate) use target::Target;
