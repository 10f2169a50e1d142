//! The same over Valkey: one server, a cluster, and what sentinels watch.

use std::sync::OnceLock;

use super::{
    Harness,
    groups::{Cluster, Watched},
    server::{Program, Server},
};

fn server() -> Option<&'static Server> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    SHARED.get_or_init(|| Server::start_as(Program::Valkey, &[])).as_ref()
}

tower_webhook::store_suite!(one_server, Harness::connect_to(server().map(Server::url)).await);

tower_webhook::store_suite!(
    cluster,
    Harness::connect_to(Cluster::shared(Program::Valkey).map(Cluster::url)).await
);

tower_webhook::store_suite!(
    sentinel,
    Harness::connect_to(Watched::shared(Program::Valkey).map(Watched::url)).await
);

#[test]
fn it_is_valkey_that_runs() {
    let Some(server) = server() else { return };
    let info = server.command(&["INFO", "server"]);
    let version = info.lines().find(|line| line.starts_with("valkey_version:")).unwrap();
    println!("{version}");
}
