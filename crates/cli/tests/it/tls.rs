//! Over https, to a receiver whose certificate a root of the test's own has signed.

#![cfg(test)] // for clippy

use std::{net::SocketAddr, path::PathBuf, process::Stdio, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::Command,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::support::{SECRET, command, run};

/// A folder of keys, which is removed with the test.
struct Keys(PathBuf);

impl Drop for Keys {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

const SCRIPT: &str = "
    set -e
    for name in root other; do
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$name -keyout $name.key -out $name.pem \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign
    done
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
    printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' >extensions
    openssl x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 -extfile extensions \
        -out server.pem
";

impl Keys {
    /// `None`, said on stderr, where the machine has no openssl.
    async fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().await.is_err() {
            assert!(
                std::env::var_os("REQUIRE_SERVERS").is_none_or(|value| value != "1"),
                "REQUIRE_SERVERS=1, and there is no openssl: apt-get install openssl"
            );
            eprintln!("skipped: there is no openssl here; apt-get install openssl");
            return None;
        }
        let keys = Self(std::env::temp_dir().join(format!("tower-webhook-tls-{}", std::process::id())));
        std::fs::create_dir_all(&keys.0).unwrap();
        let made = Command::new("sh")
            .args(["-c", SCRIPT])
            .current_dir(&keys.0)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .await
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(keys)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Accepts whatever comes, and serves it for as long as the test lasts.
    async fn serve(&self) -> SocketAddr {
        let certificate = CertificateDer::from_pem_file(self.file("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.file("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                // Who does not trust it hangs up.
                let Ok(mut stream) = acceptor.accept(tcp).await else {
                    continue;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"}") && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                drop(stream.write_all(response).await);
                drop(stream.shutdown().await);
            }
        });
        address
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_by_the_root_that_is_named_and_by_no_other() {
    let Some(keys) = Keys::new().await else { return };
    let port = keys.serve().await.port();
    let url = format!("https://localhost:{port}/hooks");
    let send = ["send", "-p", "dwolla", "--secret", SECRET, "--url", &url];
    let (root, other) = (keys.file("root.pem"), keys.file("other.pem"));

    let sent = run(&[&send[..], &["--cacert", &root]].concat()).await;
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let sent = command(&send).env("SSL_CERT_FILE", &root).output().await.unwrap();
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");

    for more in [&[][..], &["--cacert", &other]] {
        let sent = run(&[&send[..], more].concat()).await;
        let said = String::from_utf8(sent.stderr).unwrap();
        assert_eq!(sent.status.code(), Some(2), "{said}");
        assert!(
            said.contains(&format!("nothing was sent to localhost:{port}")),
            "{said}"
        );
        assert!(said.contains("invalid peer certificate"), "{said}");
        assert!(said.contains("the file of its root: --cacert"), "{said}");
    }
    // It is for localhost.
    let elsewhere = format!("https://127.0.0.1:{port}/hooks");
    let arguments = ["send", "-p", "dwolla", "--secret", SECRET, "--url", &elsewhere];
    let sent = run(&[&arguments[..], &["--cacert", &root, "--json"]].concat()).await;
    let said = String::from_utf8(sent.stdout).unwrap();
    assert_eq!(sent.status.code(), Some(2), "{said}");
    assert!(said.contains("certificate not valid for name"), "{said}");

    let check = [
        "check",
        &url,
        "-p",
        "dwolla",
        "--secret",
        SECRET,
        "--only",
        "no signature",
    ];
    let checked = run(&check).await;
    let said = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(2), "{said}");
    assert!(said.contains("invalid peer certificate"), "{said}");
    // It accepts whatever comes.
    let checked = run(&[&check[..], &["--cacert", &root]].concat()).await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");

    for (file, said) in [("nowhere.pem", "--cacert is"), ("server.csr", "it holds none")] {
        let sent = run(&[&send[..], &["--cacert", &keys.file(file)]].concat()).await;
        let text = String::from_utf8(sent.stderr).unwrap();
        assert_eq!(sent.status.code(), Some(2), "{text}");
        assert!(
            text.contains(said) && text.contains("expected a file of root certificates"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_sent() {
    let sent = run(&[
        "send",
        "-p",
        "dwolla",
        "--secret",
        SECRET,
        "--url",
        "http://127.0.0.1:1/",
    ])
    .await;
    let said = String::from_utf8(sent.stderr).unwrap();
    assert_eq!(sent.status.code(), Some(2), "{said}");
    assert!(
        said.contains("nothing was sent to 127.0.0.1:1: no connection"),
        "{said}"
    );
}
