use bytes::Bytes;
use http::HeaderValue;

use crate::{error::Refusal, process::catch};

type Write = dyn Fn(&Refusal) -> Bytes + Send + Sync;

/// The application's own bodies of refusals, in place of the layer's problems.
pub(crate) struct RefusalBody {
    content_type: HeaderValue,
    write: Box<Write>,
}

impl RefusalBody {
    pub(crate) fn new<B: Into<Bytes>>(
        content_type: HeaderValue,
        write: impl Fn(&Refusal) -> B + Send + Sync + 'static,
    ) -> Self {
        let write = Box::new(move |refusal: &Refusal| write(refusal).into());
        Self { content_type, write }
    }

    /// The body, and its type. `None` where the application's function panics: the response goes
    /// out in any case.
    pub(super) fn write(&self, refusal: &Refusal) -> Option<(HeaderValue, Bytes)> {
        let body = catch(|| (self.write)(refusal)).ok()?;
        Some((self.content_type.clone(), body))
    }
}
