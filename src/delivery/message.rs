use bytes::Bytes;
use http::HeaderMap;

use crate::event::{Source, Tenant};

/// The parts of a delivery besides its event and its claim: how the event came, and the request
/// that brought it, where there was one.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) source: Source,
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
    /// Which secret the request was signed with. `None` where no signature was verified.
    pub(crate) secret_index: Option<usize>,
    /// The event's tenant, where the layer has tenants.
    pub(crate) tenant: Option<Tenant>,
}
