//! `rediss://` and `rediss+cluster://`: the server's certificate is checked against the system's
//! roots.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tower_webhook::store::IdempotencyStore;
use tower_webhook_redis::RedisStore;

use super::{FIRST, Server, claim_request, server::until};

/// Set in the copy of this process that trusts the test's root.
const URL: &str = "TEST_REDISS_URL";

#[tokio::test]
async fn a_server_is_trusted_by_the_systems_roots_and_by_its_name() {
    if let Ok(url) = std::env::var(URL) {
        return as_one_who_trusts_the_root(&url).await;
    }
    // Its folder holds the keys before it starts.
    let Some(plain) = Server::start(&[]) else { return };
    let folder = plain.folder();
    make_keys(folder);
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let port = super::server::free_port().to_string();
    let (certificate, key, root) = (file("server.pem"), file("server.key"), file("root.pem"));
    let bus = super::server::free_port().to_string();
    let Some(server) = Server::start(&[
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus,
        // The names of its nodes are the cluster's to say.
        "--cluster-announce-hostname",
        "localhost",
        "--cluster-preferred-endpoint-type",
        "hostname",
        // Else it tells of the port without TLS.
        "--tls-cluster",
        "yes",
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &root,
        "--tls-auth-clients",
        "no",
    ]) else {
        return;
    };

    server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until("it has the slots", || {
        server.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    });

    let error = RedisStore::connect(&format!("rediss://localhost:{port}"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");

    // The roots are this process's environment: a copy of it has another.
    let name = std::thread::current().name().unwrap().to_owned();
    let copy = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(URL, format!("rediss://localhost:{port}"))
        .env("SSL_CERT_FILE", &root)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[copy.stdout, copy.stderr].concat()).into_owned();
    assert!(copy.status.success() && said.contains("1 passed"), "{said}");
}

async fn as_one_who_trusts_the_root(url: &str) {
    let store = RedisStore::connect(url).await.unwrap();
    assert_eq!(store.claim(&claim_request("dwolla", "event")).await.unwrap(), FIRST);
    // the certificate is for localhost
    let elsewhere = url.replace("localhost", "127.0.0.1");
    let error = RedisStore::connect(&elsewhere).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");

    let of_cluster = |url: &str| url.replace("rediss://", "rediss+cluster://");
    let error = RedisStore::connect(&of_cluster(url)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store's settings are wrong: the URL of redis: it asks for TLS to a cluster, which takes its cryptography from the \
         process, and none is installed there; expected the application to install one when it starts: rustls' \
         `CryptoProvider::install_default`"
    );
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Each connection reads the system's roots, which takes its time in a debug build.
    let patient = RedisStore::builder(of_cluster(url)).timeout(Duration::from_secs(60));
    let store = patient.connect().await.unwrap();
    assert_eq!(store.claim(&claim_request("dwolla", "another")).await.unwrap(), FIRST);
    let error = RedisStore::connect(&of_cluster(&elsewhere)).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

fn make_keys(folder: &Path) {
    let script = "
        set -e
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=root -keyout root.key -out root.pem \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' >extensions
        openssl x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 -extfile extensions -out server.pem
    ";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "openssl: {}",
        String::from_utf8_lossy(&made.stderr)
    );
}
