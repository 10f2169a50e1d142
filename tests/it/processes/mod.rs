//! Several processes and one store: they race for its events, and they are killed at their work.
//! Each is this test binary, run again.

mod process;
mod shared;
mod file;
mod sqlite;
mod postgres;
mod redis;
mod race;
mod reconciler;
mod receiver;
mod random;
mod provider;
mod judgement;
mod death;
mod inbox;
mod inbox_death;
mod inbox_race;
mod power;
mod balancer;
mod deployment;

/// What the other processes run. On its own it is no test.
#[test]
fn child() {
    let Some((task, orders)) = process::task() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match task["role"].as_str().unwrap() {
            "reconciler" => shared::reconcile(&task).await,
            "racer" => shared::race(&task, orders).await,
            "receiver" => shared::receive(&task).await,
            "inbox" => shared::keep_inbox(&task).await,
            "deployed" => shared::deploy(&task).await,
            "workers" => shared::work(&task).await,
            role => panic!("no role: {role}"),
        }
    });
}
