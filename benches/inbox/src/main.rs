//! The durable inbox beside bare statements of its engines, and beside job queues in them:
//!
//! ```sh
//! cargo run --release                    # SQLite, then Postgres; 11 rounds
//! cargo run --release -- postgres 21     # one of them; rounds
//! cargo run --release -- sqlite 5 worker # figures whose name has this part
//! ```
//!
//! Files lie in `target/data`, and are removed at the end. It starts a Postgres server of its own
//! (initdb and postgres are needed), unless `DATABASE_URL` names an empty database.

#[path = "../../common/mod.rs"]
mod common;
#[path = "../../stores/src/machine.rs"]
mod machine;
#[path = "../../stores/src/server.rs"]
#[allow(dead_code, reason = "each program uses its part")]
mod server;

mod bare;
mod figures;
mod load;
mod million;
#[cfg(feature = "peers")]
mod peers;
mod pick_up;
mod rounds;
mod statements;

use std::{env, fs, path::PathBuf, process};

use self::{bare::Bare, figures::Engine};
use tower_webhook_sqlx::{PostgresStore, SqliteStore};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let engine = arguments.first().map_or("", String::as_str);
    let rounds = arguments
        .get(1)
        .map_or(11, |rounds| rounds.parse().expect("a number of rounds"));
    let only = arguments.get(2).map_or("", String::as_str);
    let folder = place();
    fs::create_dir_all(&folder).expect("a folder");
    let versions = [machine::output(&server::postgres_program("postgres"), &["--version"])];
    println!("{}; {rounds} rounds\n", machine::facts(&versions));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if "sqlite".contains(engine) {
        runtime.block_on(async {
            let file = folder.join("inbox.db");
            let store = SqliteStore::open(&file).await.expect("a store");
            let other = SqliteStore::open(&file).await.expect("a store");
            let bare = Bare::sqlite(&file, &folder.join("bare.db")).await;
            Engine {
                store,
                other,
                bare,
                rounds,
                only,
                url: folder.join("peers.db").display().to_string(),
            }
            .measure()
            .await;
        });
    }
    if "postgres".contains(engine) {
        let given = env::var("DATABASE_URL").ok();
        let server = given.is_none().then(server::Server::postgres);
        let url = given.unwrap_or_else(|| {
            let port = server.as_ref().expect("a server").port;
            format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
        });
        runtime.block_on(async {
            let connect = || PostgresStore::builder().max_connections(16).connect(&url);
            let store = connect().await.expect("a store");
            let other = connect().await.expect("a store");
            let bare = Bare::postgres(&url).await;
            Engine {
                store,
                other,
                bare,
                rounds,
                only,
                url: url.clone(),
            }
            .measure()
            .await;
        });
    }
    fs::remove_dir_all(&folder).expect("the folder");
}

/// Where files are: on the disk that the crate is on.
fn place() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/data");
    target.join(process::id().to_string())
}
