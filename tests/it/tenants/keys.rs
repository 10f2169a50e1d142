//! An event of one tenant is never a duplicate, a conflict or a follower of another's.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue};
use http_body_util::Full;
use proptest::prelude::*;
use tower_webhook::{
    Outcome, RefusalKind, dwolla,
    event::{EventId, Tenant},
    signature::Secrets,
    store::{IdempotencyStore as _, Key, State},
};

use super::{Source, SourceBehaviour, TENANT, TenantEndpoint, secret, signed_for};
use crate::{
    endpoint::{event, event_of, with_body},
    fixtures::Held,
};

fn key(tenant: &str, id: &str) -> Key {
    let id = EventId::new(id).unwrap();
    Key::new("dwolla", Tenant::new(tenant).unwrap().id_of(&id))
}

#[tokio::test(start_paused = true)]
async fn the_tenant_is_part_of_the_key() {
    let endpoint = TenantEndpoint::of(&["acme", "umbrella"]);
    endpoint.deliver("acme", "1").await.assert_acknowledged();
    assert_eq!(key("acme", "1").to_string(), "dwolla/acme/1");
    assert!(endpoint.store.get(&key("acme", "1")).await.unwrap().is_some());
    assert!(endpoint.store.get(&key("umbrella", "1")).await.unwrap().is_none());

    // The same event of another tenant is another event; of the same tenant, a duplicate.
    let other = endpoint.deliver("umbrella", "1").await;
    assert_eq!(other.outcome, Some(Outcome::Handled));
    let copy = endpoint.deliver("acme", "1").await;
    assert_eq!(copy.outcome.unwrap().as_str(), "duplicate");
    let runs = endpoint.runs.lock().unwrap().clone();
    assert_eq!(runs, [("acme".into(), "1".into()), ("umbrella".into(), "1".into())]);
    // An operator's verb.
    endpoint.store.forget(&key("acme", "1")).await.unwrap();
    assert_eq!(endpoint.deliver("acme", "1").await.outcome, Some(Outcome::Handled));
}

#[tokio::test(start_paused = true)]
async fn an_id_that_looks_like_another_tenants_key_is_its_own_tenants() {
    let endpoint = TenantEndpoint::of(&["a", "a-b"]);
    endpoint.deliver("a", "b/1").await.assert_acknowledged();
    endpoint.deliver("a", "a-b/1").await.assert_acknowledged();
    let other = endpoint.deliver("a-b", "1").await;
    assert_eq!(other.outcome, Some(Outcome::Handled));
}

#[tokio::test(start_paused = true)]
async fn other_facts_under_the_id_of_another_tenant_are_no_conflict() {
    let endpoint = TenantEndpoint::of(&["acme", "umbrella"]);
    endpoint.deliver("acme", "1").await.assert_acknowledged();
    let body = event_of("1", "customer_created").replace("2019-02-04", "2020-02-04");
    let sign = |tenant: &str| {
        let secrets = Secrets::new(secret(tenant)).unwrap();
        let mut headers: HeaderMap = dwolla::scheme().sign(&secrets, body.as_bytes()).unwrap();
        headers.insert(TENANT, HeaderValue::from_str(tenant).unwrap());
        with_body(headers, Full::from(body.clone()))
    };
    endpoint.send(sign("umbrella")).await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 2);
    // Of the same tenant it is.
    let conflict = endpoint.send(sign("acme")).await;
    assert_ne!(conflict.outcome, Some(Outcome::Handled));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_does_not_wait_for_another_tenants_run() {
    let held = Held::new();
    let endpoint = TenantEndpoint::handling(Source::of(&["acme", "umbrella"]), |p| p, |b| b, held.handler());
    let first = endpoint.spawn("acme", "1");
    held.started(1).await;
    let second = endpoint.spawn("umbrella", "1");
    held.started(1).await; // it runs, too
    let copy = endpoint.spawn("acme", "1");
    held.end(2);
    for answer in [first, second, copy] {
        answer.await.unwrap().assert_acknowledged();
    }
    assert_eq!(endpoint.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_tenant_cannot_sign_for_another() {
    let endpoint = TenantEndpoint::of(&["acme", "umbrella"]);
    let forged = endpoint.send(signed_for("umbrella", &secret("acme"), "1")).await;
    forged.assert_refused(401, RefusalKind::Signature);
    assert_eq!(endpoint.runs(), 0);
    endpoint.deliver("umbrella", "1").await.assert_acknowledged();
}

/// A delivery of one of the two tenants.
#[derive(Clone, Debug)]
struct Step {
    is_acme: bool,
    id: u8,
    is_other_facts: bool,
    fails: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<bool>(), 0_u8..3, any::<bool>(), any::<bool>());
    proptest::collection::vec(
        step.prop_map(|(is_acme, id, is_other_facts, fails)| Step {
            is_acme,
            id,
            is_other_facts,
            fails,
        }),
        1..24,
    )
}

/// What each delivery of these came to. Where they are sent at once, chance decides which copy of
/// an event is the first: there it is the status.
fn outcomes(steps: &[Step], at_once: bool) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let failing: Arc<Mutex<bool>> = Arc::default();
        let fails = Arc::clone(&failing);
        let endpoint = TenantEndpoint::handling(
            Source::of(&["acme", "umbrella"]),
            |provider| provider,
            |builder| builder,
            move |_| {
                let fails = *fails.lock().unwrap();
                Box::pin(async move {
                    match fails {
                        true => Err(tower_webhook::HandlerError::retry("not now")),
                        false => Ok(()),
                    }
                })
            },
        );
        let request = |step: &Step| {
            let tenant = if step.is_acme { "acme" } else { "umbrella" };
            let mut body = event(&step.id.to_string());
            if step.is_other_facts && !at_once {
                body = body.replace("2019-02-04", "2020-02-04");
            }
            let secrets = Secrets::new(secret(tenant)).unwrap();
            let mut headers = dwolla::scheme().sign(&secrets, body.as_bytes()).unwrap();
            headers.insert(TENANT, HeaderValue::from_static(tenant));
            with_body(headers, Full::from(body))
        };
        let mut outcomes = Vec::new();
        if at_once {
            let sent: Vec<_> = steps
                .iter()
                .map(|step| {
                    let (endpoint, request) = (endpoint.clone(), request(step));
                    tokio::spawn(async move { endpoint.send(request).await })
                })
                .collect();
            for answer in sent {
                outcomes.push(answer.await.unwrap().status.to_string());
            }
            assert_eq!(endpoint.runs(), events(steps));
        } else {
            for step in steps {
                *failing.lock().unwrap() = step.fails;
                let answer = endpoint.send(request(step)).await;
                outcomes.push(answer.outcome.unwrap().as_str().to_owned());
            }
        }
        outcomes
    })
}

/// How many of these run where they are sent at once: one of each event.
fn events(steps: &[Step]) -> usize {
    let mut ids: Vec<_> = steps.iter().map(|step| (step.is_acme, step.id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a tenant's deliveries come to is what they come to where there is no other tenant.
    #[test]
    fn two_tenants_with_equal_ids_never_see_each_other(steps in steps(), at_once in any::<bool>()) {
        let both = outcomes(&steps, at_once);
        for is_acme in [true, false] {
            let of = |step: &&Step| step.is_acme == is_acme;
            let own: Vec<Step> = steps.iter().filter(of).cloned().collect();
            let among: Vec<String> = steps
                .iter()
                .zip(&both)
                .filter(|(step, _)| step.is_acme == is_acme)
                .map(|(_, outcome)| outcome.clone())
                .collect();
            prop_assert_eq!(&among, &outcomes(&own, at_once));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_tenant_gets_the_response_and_the_work_of_a_wrong_signature() {
    use crate::body::{Script, Step};
    let endpoint = TenantEndpoint::of(&["acme"]);
    endpoint.deliver("acme", "1").await.assert_acknowledged();
    let mut answers = Vec::new();
    for tenant in [Some("acme"), Some("nobody"), Some("a/b"), None] {
        let body = event("2");
        let secrets = Secrets::new("a secret of a stranger's").unwrap();
        let mut headers = dwolla::scheme().sign(&secrets, body.as_bytes()).unwrap();
        if let Some(tenant) = tenant {
            headers.insert(TENANT, HeaderValue::from_static(tenant));
        }
        let script = Script::new(
            body.as_bytes()
                .chunks(16)
                .map(|piece| Step::Data(piece.to_vec().into())),
        );
        let read = std::sync::Arc::clone(&script.polls);
        let answer = endpoint.send(with_body(headers, script)).await;
        answer.assert_refused(401, RefusalKind::Signature);
        // Each frame was asked for, and so the last was hashed: the MAC is over all of it.
        let whole = body.len().div_ceil(16);
        assert!(read.load(std::sync::atomic::Ordering::SeqCst) >= whole, "{tenant:?}");
        answers.push((answer.status, answer.headers, answer.body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(endpoint.runs(), 1);
    let record = endpoint.store.get(&key("acme", "1")).await.unwrap().unwrap();
    assert!(matches!(record.state, State::Done { .. }));
    // Without its signature neither is read.
    endpoint.source.feels(SourceBehaviour::Fails);
    for tenant in ["acme", "nobody"] {
        let mut request = signed_for(tenant, "any", "3");
        request.headers_mut().remove("x-request-signature-sha-256").unwrap();
        assert_eq!(endpoint.send(request).await.status, 401);
    }
}

/// A body that is one frame is hashed in one go, when all of it is there: nobody's is hashed too.
/// Without that, the response to a megabyte would come ten times sooner.
#[tokio::test]
async fn an_unknown_tenant_takes_as_long_as_a_wrong_signature() {
    const SIZE: usize = 1 << 20;
    let endpoint = TenantEndpoint::with(
        Source::of(&["acme"]),
        |provider| provider,
        |builder| builder.body_limit(SIZE),
    );
    endpoint.deliver("acme", "1").await.assert_acknowledged();
    let body = vec![b' '; SIZE];
    let secrets = Secrets::new("a secret of a stranger's").unwrap();
    let signed = dwolla::scheme().sign(&secrets, &body).unwrap();
    // The shortest of many: whatever else the machine does makes one longer.
    let mut shortest = [Duration::MAX; 2];
    for _ in 0..10 {
        for (tenant, shortest) in ["acme", "nobody"].into_iter().zip(&mut shortest) {
            let mut headers = signed.clone();
            headers.insert(TENANT, HeaderValue::from_static(tenant));
            let request = with_body(headers, Full::from(body.clone()));
            let began = Instant::now();
            let answer = endpoint.send(request).await;
            *shortest = began.elapsed().min(*shortest);
            answer.assert_refused(401, RefusalKind::Signature);
        }
    }
    let [wrong, unknown] = shortest;
    assert!(unknown < wrong * 4 && wrong < unknown * 4, "{wrong:?}, {unknown:?}");
}
