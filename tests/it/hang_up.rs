//! A provider that hangs up, at any point, changes nothing.

use bytes::Bytes;
use tokio::time::sleep;
use tower_webhook::RefusalKind;

use crate::{
    body::{Script, Step},
    endpoint::{Endpoint, event, signature, with_body},
    fixtures::{Held, SECOND, assert_state, succeed},
    wire::Via,
};

pub(crate) async fn a_provider_that_hangs_up_while_the_body_is_read_leaves_nothing_behind(via: Via) {
    let endpoint = Endpoint::with(succeed, |builder| builder.max_in_flight(1))
        .over(via)
        .await;
    for (run, provider) in (1..).zip([endpoint.clone(), endpoint.by_another_connection().await]) {
        let id = run.to_string();
        let body = event(&id);
        let half = Step::Data(Bytes::from(body.as_bytes()[..body.len() / 2].to_vec()));
        let request = with_body(signature(body.as_bytes()), Script::new([half, Step::Stall]));
        let call = tokio::spawn(async move { provider.send(request).await });
        endpoint.begun(3 * run - 2).await;
        let crowded = endpoint.deliver(&id).await;
        crowded.assert_refused(503, RefusalKind::Overloaded);
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        endpoint.ended(3 * run - 1).await;
        assert_state(endpoint.record(&id).await, "absent");
        endpoint.deliver(&id).await.assert_acknowledged();
        assert_eq!(endpoint.runs(), run);
    }
}

pub(crate) async fn a_provider_that_hangs_up_mid_handler_changes_nothing_and_its_retry_gets_200(via: Via) {
    let held = Held::new();
    let endpoint = Endpoint::new(held.handler()).over(via).await;
    // Over HTTP/2 the one resets a stream of a connection in use, the other drops its connection.
    for (run, provider) in (1..).zip([endpoint.clone(), endpoint.by_another_connection().await]) {
        let id = run.to_string();
        let call = tokio::spawn({
            let id = id.clone();
            async move { provider.deliver(&id).await }
        });
        held.started(1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        endpoint.ended(2 * run - 1).await; // the server has noticed
        assert_state(endpoint.record(&id).await, "claimed, 1");
        held.end(1);
        endpoint.deliver(&id).await.assert_acknowledged();
        assert_state(endpoint.record(&id).await, "handled");
        assert_eq!(endpoint.runs(), run);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_up_at_any_point_changes_nothing() {
    use std::{future::Future as _, task::Poll};
    for polls in 0..40 {
        let endpoint = Endpoint::new(async |_| {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            Ok(())
        });
        {
            let mut call = std::pin::pin!(endpoint.deliver("1"));
            for _ in 0..polls {
                let polled = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
                if polled {
                    break;
                }
                tokio::task::yield_now().await;
            }
        } // hangs up
        let begun = polls > 0;
        sleep(SECOND).await;
        assert_state(endpoint.record("1").await, if begun { "handled" } else { "absent" });
        endpoint.deliver("1").await.assert_acknowledged();
        assert_eq!(endpoint.runs(), 1, "{polls} polls");
    }
}
