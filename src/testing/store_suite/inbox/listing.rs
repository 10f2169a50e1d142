//! Filters and pages.

use super::*;

pub async fn a_list_shows_the_finished_until_they_expire_and_their_attempts<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    inbox.event("done", Stage::Done).await;
    inbox.event("dead", Stage::Dead).await;
    inbox.deposit_new("done at last").await;
    let again = Action::PutBack {
        after: Duration::ZERO,
        is_counted: true,
    };
    for end in [again, Action::Complete(Completion::Handled)] {
        let taken = inbox.take_event("done at last").await;
        assert_eq!(inbox.end(&taken, end).await, Effect::Applied);
    }
    let all = Filter::new(&*inbox.namespace);
    let listed = async || {
        let page = inbox.store().list(&all, None, 10).await.expect("list responds");
        let entries = page.entries.into_iter();
        let mut found: Vec<_> = entries.map(|entry| (entry.stage, entry.attempts)).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(listed().await, [(Stage::Done, 1), (Stage::Done, 2), (Stage::Dead, 1)]);
    let request = inbox.request("done at last");
    let letter = inbox.store().letter(&request.key).await.expect("letter responds");
    assert_eq!(letter.expect("it is stored").entry.attempts, 2);
    inbox.case.advance(RETENTION + AFTER).await;
    assert_eq!(listed().await, [(Stage::Dead, 1)]);
}

pub async fn deliveries_are_listed_by_stage_topic_and_time_a_page_at_a_time<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    for stage in STAGES {
        inbox.event(stage.as_str(), stage).await;
        inbox.case.advance(10 * AFTER).await;
    }
    let mut other = inbox.parcel("other topic");
    other.delivery.topic = "transfer_completed".to_owned();
    assert_eq!(
        inbox.store().deposit(&other).await.expect("deposit succeeds"),
        Deposited::Stored
    );

    let all = Filter::new(&*inbox.namespace);
    let list = async |filter: &Filter, limit| {
        let mut found: Vec<(String, SystemTime)> = Vec::new();
        let mut after = None;
        loop {
            let page = inbox
                .store()
                .list(filter, after.as_ref(), limit)
                .await
                .expect("list succeeds");
            assert!(page.entries.len() <= limit);
            found.extend(
                page.entries
                    .iter()
                    .map(|entry| (entry.key.id().to_string(), entry.received_at)),
            );
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    let names = |found: &[(String, SystemTime)]| found.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    let every = list(&all, 10).await;
    assert_eq!(names(&every), ["waiting", "running", "done", "dead", "other topic"]);
    assert_eq!(list(&all, 2).await, every);
    assert_eq!(list(&all, 5).await, every);
    for stage in STAGES {
        let found = list(&all.clone().stage(stage), 10).await;
        assert!(names(&found).contains(&stage.as_str().to_owned()), "{stage}: {found:?}");
    }
    let found = list(&all.clone().topic("transfer_completed"), 10).await;
    assert_eq!(names(&found), ["other topic"]);
    let found = list(&all.clone().since(every[1].1).before(every[3].1), 10).await;
    assert_eq!(names(&found), ["running", "done"]);
    assert_eq!(list(&Filter::new("nobody's namespace"), 10).await, []);
}

pub async fn an_operators_filter_means_one_tenants_events_and_no_others<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    let tenant = |name| Tenant::new(name).expect("a name");
    let id = |of: &Tenant, id: &str| of.id_of(&EventId::new(id).expect("an id"));
    // Names that are beginnings of others, another's in capitals, and what a pattern would expand.
    let (acme, percent) = (tenant("acme"), tenant("a%"));
    let others = [
        id(&tenant("acme2"), "1"),
        id(&tenant("acm"), "e/1"),
        id(&tenant("ACME"), "1"),
        id(&tenant("acm_"), "1"),
        id(&percent, "1"),
        EventId::new("acme").expect("an id"),
    ];
    let long = "1".repeat(255);
    let own = [id(&acme, "1"), id(&acme, "2"), id(&acme, &long), id(&acme, "/1")];
    for id in others.iter().chain(&own) {
        inbox.event(id.as_str(), Stage::Dead).await;
    }
    let of = |tenant: &Tenant| Filter::new(&*inbox.namespace).tenant(tenant.clone());
    let listed = async |filter: &Filter, limit| {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = inbox.store().list(filter, after.as_ref(), limit).await;
            let page = page.expect("list succeeds");
            ids.extend(page.entries.iter().map(|entry| entry.key.id().clone()));
            after = page.next;
            if after.is_none() {
                return ids.into_iter().collect::<BTreeSet<_>>();
            }
        }
    };
    for limit in [2, 20] {
        assert_eq!(listed(&of(&acme), limit).await, own.iter().cloned().collect());
        assert_eq!(listed(&of(&percent), limit).await, BTreeSet::from([id(&percent, "1")]));
        assert_eq!(listed(&of(&tenant("nobody")), limit).await, BTreeSet::new());
    }
    let dead = of(&acme).stage(Stage::Dead);
    let replayed = inbox.store().replay_all(&dead, Duration::ZERO).await;
    assert_eq!(replayed.expect("replay_all succeeds"), own.len() as u64);
    for id in &others {
        assert_eq!(inbox.stage(id.as_str()).await, Some(Stage::Dead), "{id}");
    }
    for id in &own {
        assert_eq!(inbox.stage(id.as_str()).await, Some(Stage::Waiting), "{id}");
    }
}
