//! One secret replaces another while deliveries come in.

#![cfg(test)] // for clippy

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::watch;
use tower_webhook::signature::SignatureErrorKind as Kind;

use super::{verifier_endpoint::VerifierEndpoint, *};

/// How many deliveries each of the tasks sends in each phase at least.
const EACH: usize = 20;
const TASKS: u8 = 4;

/// Which rotations have begun, and which are over: what is between is undecided.
#[derive(Default)]
struct Phases {
    begun: AtomicUsize,
    over: AtomicUsize,
    stop: AtomicBool,
}

/// One delivery: with which secret, after which rotations it was sent, before which it was
/// answered, and how.
struct Sent {
    secret: u8,
    after: usize,
    before: usize,
    status: u16,
}

fn headers(provider: &Described, secret: u8, body: &[u8]) -> HeaderMap {
    let time = NOW.to_string();
    let tag = provider.write(&provider.mac(&provider.secret(secret), b"msg_1", time.as_bytes(), body));
    let claims = Claims {
        value: provider.value(time.as_bytes(), tag.as_bytes()),
        ..provider.now(body)
    };
    provider.headers(&claims).unwrap()
}

async fn task(
    endpoint: Arc<VerifierEndpoint>,
    phases: Arc<Phases>,
    number: u8,
    count: watch::Sender<usize>,
) -> Vec<Sent> {
    let mut all = Vec::new();
    // Half of the tasks are the provider before it took the new secret, half of them the provider
    // after.
    let secret = 1 + number % 2;
    while !phases.stop.load(SeqCst) {
        let body = format!("{number} {}", all.len());
        let headers = headers(&endpoint.provider, secret, body.as_bytes());
        let after = phases.over.load(SeqCst);
        let answer = endpoint.send(&headers, body.as_bytes()).await;
        let before = phases.begun.load(SeqCst);
        all.push(Sent {
            secret,
            after,
            before,
            status: answer.status.as_u16(),
        });
        count.send_modify(|count| *count += 1);
        tokio::task::yield_now().await;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_delivery_is_refused_while_both_secrets_are_valid_and_none_of_the_old_ones_taken_after() {
    for provider in providers() {
        let endpoint = Arc::new(VerifierEndpoint::of(provider));
        let handle = endpoint.verifier.secrets_handle();
        let phases = Arc::new(Phases::default());
        let mut counts = Vec::new();
        let mut tasks = Vec::new();
        for number in 0..TASKS {
            let (count, counted) = watch::channel(0);
            counts.push(counted);
            tasks.push(tokio::spawn(task(
                Arc::clone(&endpoint),
                Arc::clone(&phases),
                number,
                count,
            )));
        }
        let more = async |counts: &mut [watch::Receiver<usize>]| {
            for count in counts {
                let enough = *count.borrow() + EACH;
                count.wait_for(|count| *count >= enough).await.unwrap();
            }
        };
        let (old, new) = (provider.secret(1), provider.secret(2));
        let steps = [vec![new.clone(), old.clone()], vec![new]];
        more(&mut counts).await;
        for step in steps {
            phases.begun.fetch_add(1, SeqCst);
            handle.rotate(step).unwrap();
            phases.over.fetch_add(1, SeqCst);
            more(&mut counts).await;
        }
        phases.stop.store(true, SeqCst);

        let (mut accepted, mut by_phase) = (0, [[0; 2]; 3]);
        for task in tasks {
            for Sent {
                secret,
                after,
                before,
                status,
            } in task.await.unwrap()
            {
                let expected = match (secret, after, before) {
                    // valid from the beginning until the last exchange begins
                    (1, _, 0 | 1) => Some(200),
                    (1, 2, _) => Some(401),
                    // valid from the first exchange on
                    (2, 1 | 2, _) => Some(200),
                    (2, _, 0) => Some(401),
                    _ => None, // sent before an exchange and answered after it began
                };
                assert!(
                    expected.is_none_or(|expected| expected == status),
                    "{}: secret {secret} after {after}, before {before}: {status}",
                    provider.name
                );
                accepted += usize::from(status == 200);
                if after == before {
                    by_phase[after][usize::from(secret) - 1] += 1;
                }
            }
        }
        assert_eq!(endpoint.runs(), accepted, "{}", provider.name);
        // Something was sent with each of them at each time.
        assert!(by_phase.iter().flatten().all(|count| *count > 0), "{by_phase:?}");
    }
}

#[tokio::test]
async fn a_rotation_step_by_step() {
    let body = b"{}";
    for provider in providers() {
        let endpoint = VerifierEndpoint::of(provider);
        let handle = endpoint.verifier.secrets_handle();
        let [old, new] = [1, 2].map(|secret| headers(&provider, secret, body));
        let named = |headers| {
            let verified = endpoint.verifier.verify_at(headers, body, at(NOW));
            verified.ok().map(|verified| verified.secret_index())
        };
        assert_eq!((named(&old), named(&new)), (Some(0), None), "{}", provider.name);
        endpoint.accept("the old one before", &old, body).await;
        endpoint.refuse("the new one before", &new, body, Kind::Mismatch).await;

        handle.rotate([provider.secret(2), provider.secret(1)]).unwrap();
        assert_eq!((named(&old), named(&new)), (Some(1), Some(0)), "{}", provider.name);
        endpoint.accept("the old one between", &old, body).await;
        endpoint.accept("the new one between", &new, body).await;

        handle.rotate(provider.secret(2)).unwrap();
        assert_eq!((named(&old), named(&new)), (None, Some(0)), "{}", provider.name);
        endpoint.refuse("the old one after", &old, body, Kind::Mismatch).await;
        endpoint.accept("the new one after", &new, body).await;
        // And it signs with the new one.
        let signed = endpoint.verifier.sign_at("msg_1", at(NOW), body).unwrap();
        assert_eq!(signed, new, "{}", provider.name);
    }
}

#[tokio::test]
async fn a_rotation_to_a_bad_secret_leaves_the_old_one_valid() {
    let body = b"{}";
    for provider in providers() {
        let endpoint = VerifierEndpoint::of(provider);
        let handle = endpoint.verifier.secrets_handle();
        let [old, new] = [1, 2].map(|secret| headers(&provider, secret, body));
        let good = provider.secret(2);
        let mut bad = vec![
            vec![],
            vec![String::new()],
            vec!["whsec_".to_owned()],
            vec![" ".to_owned()],
            vec![format!("{good}\n")],
            vec![good.clone(), String::new()],
            vec![format!("{good}\n"), good.clone()],
        ];
        if provider.key == Key::Base64 {
            bad.extend([
                vec!["whsec_no base64".to_owned()],
                vec!["whsec_c2hvcnQ=".to_owned()],
                vec![good.clone(), "whsec_c2hvcnQ=".to_owned()],
            ]);
        }
        for secrets in bad {
            assert!(
                handle.rotate(secrets.clone()).is_err(),
                "{}: {secrets:?}",
                provider.name
            );
            endpoint.accept("the old one", &old, body).await;
            endpoint.refuse("the new one", &new, body, Kind::Mismatch).await;
        }
    }
}

#[test]
fn a_request_that_has_begun_is_judged_by_the_secrets_of_its_beginning() {
    for provider in providers() {
        let verifier = (provider.keyed)(&provider.secret(1)).unwrap();
        let [old, new] = [1, 2].map(|secret| headers(&provider, secret, b"{}"));
        let begin = |headers| {
            let mut verification = verifier.begin(headers).unwrap();
            verification.update(b"{");
            verification
        };
        let (of_old, of_new) = (begin(&old), begin(&new));
        verifier.secrets_handle().rotate(provider.secret(2)).unwrap();
        for (mut verification, accepted) in [
            (of_old, true),
            (of_new, false),
            (begin(&old), false),
            (begin(&new), true),
        ] {
            verification.update(b"}");
            assert_eq!(verification.finish(at(NOW)).is_ok(), accepted, "{}", provider.name);
        }
    }
}
