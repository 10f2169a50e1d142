use bytes::Bytes;
use http::Response;

use crate::{error::Refusal, process::catch};

type Change = dyn Fn(&Refusal, &mut Response<Bytes>) + Send + Sync;

/// The application's changes to the responses of refusals.
pub(crate) struct RefusalHook(Box<Change>);

impl RefusalHook {
    pub(crate) fn new(change: impl Fn(&Refusal, &mut Response<Bytes>) + Send + Sync + 'static) -> Self {
        Self(Box::new(change))
    }

    /// The changed response. The status stays: it tells the provider whether to send the event
    /// again. Where the application's function panics, nothing is changed.
    pub(super) fn apply(&self, refusal: &Refusal, usual: Response<Bytes>) -> Response<Bytes> {
        let status = usual.status();
        let mut response = usual.clone();
        if catch(|| (self.0)(refusal, &mut response)).is_err() {
            return usual;
        }
        *response.status_mut() = status;
        response
    }
}
