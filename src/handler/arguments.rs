//! The arguments of handlers, and handlers that take more than one.

use std::future::Future;

use super::{FromDelivery, Handler, HandlerError, HandlerResult};
use crate::{
    delivery::{Claim, Delivery},
    event::{Event, Tenant},
};

impl<E: Event> FromDelivery<E> for E {
    fn from_delivery(delivery: Delivery<E>) -> Result<Self, HandlerError> {
        Ok(delivery.into_event())
    }
}

impl<E: Event> FromDelivery<E> for Delivery<E> {
    fn from_delivery(delivery: Delivery<E>) -> Result<Self, HandlerError> {
        Ok(delivery)
    }
}

impl<E: Event> FromDelivery<E> for Claim {
    fn from_delivery(delivery: Delivery<E>) -> Result<Self, HandlerError> {
        Ok(delivery.claim().clone())
    }
}

/// The event's tenant. It fails, and the event comes again, where the layer has no tenants.
impl<E: Event> FromDelivery<E> for Tenant {
    fn from_delivery(delivery: Delivery<E>) -> Result<Self, HandlerError> {
        delivery.tenant().cloned().ok_or_else(|| {
            HandlerError::retry(
                "the delivery has no tenant; expected a layer with tenants: make its provider with `per_tenant`",
            )
        })
    }
}

/// Handlers of these arguments, the last of which takes the delivery itself. Their marker is a
/// function without the state, or a tuple with it, so that the two never overlap.
macro_rules! handlers {
    ($($argument:ident)+, $last:ident) => {
        impl<F, E, S, $($argument,)+ $last, Fut> Handler<E, S, fn($($argument,)+ $last)> for F
        where
            F: Fn($($argument,)+ $last) -> Fut + Clone + Send + Sync + 'static,
            E: Event,
            S: Send,
            $($argument: FromDelivery<E>,)+
            $last: FromDelivery<E>,
            Fut: Future<Output: HandlerResult> + Send,
        {
            async fn call(&self, _: S, delivery: Delivery<E>) -> Result<(), HandlerError> {
                self($($argument::from_delivery(delivery.clone())?,)+ $last::from_delivery(delivery)?)
                    .await
                    .into_result()
            }
        }

        impl<F, E, S, $($argument,)+ $last, Fut> Handler<E, S, (S, $($argument,)+ $last)> for F
        where
            F: Fn(S, $($argument,)+ $last) -> Fut + Clone + Send + Sync + 'static,
            E: Event,
            S: Send,
            $($argument: FromDelivery<E>,)+
            $last: FromDelivery<E>,
            Fut: Future<Output: HandlerResult> + Send,
        {
            async fn call(&self, state: S, delivery: Delivery<E>) -> Result<(), HandlerError> {
                self(state, $($argument::from_delivery(delivery.clone())?,)+ $last::from_delivery(delivery)?)
                    .await
                    .into_result()
            }
        }
    };
}

handlers!(A, B);
handlers!(A B, C);
