//! The cases once more over real sockets: through hyper and through axum, as a sender sees them.

use crate::{cases::for_every_case, wire::Via};

mod hyper_http1 {
    super::for_every_case!(
        #[tokio::test]
        super::Via::Hyper1
    );
}

mod hyper_http2 {
    super::for_every_case!(
        #[tokio::test]
        super::Via::Hyper2
    );
}

mod axum {
    super::for_every_case!(
        #[tokio::test]
        super::Via::Axum
    );
}
