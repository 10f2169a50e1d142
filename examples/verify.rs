//! The signature alone: no tower, no runtime, no parser. The crate needs none of its features for
//! this.
//!
//! ```sh
//! cargo run --example verify --no-default-features
//! ```

use std::error::Error;

use http::{HeaderMap, HeaderValue};
use tower_webhook::{
    dwolla,
    signature::{Secrets, Verifier, verify},
};

fn main() -> Result<(), Box<dyn Error>> {
    // What arrived: the headers, and the body as bytes. Parse it afterwards.
    let body = br#"{"id":"cac95329-9fa5-42f1-a4fc-c08af7b868fb"}"#;
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-request-signature-sha-256",
        HeaderValue::from_static("837643fc94c820d74865cfe2624f946d72f84257274363b45bbb6e3be9880936"),
    );

    // How Dwolla signs, and the secrets it may have signed with: two while one replaces the other.
    let scheme = dwolla::scheme();
    let secrets = Secrets::new(["the new secret", "sshhhhhh"])?;

    match verify(&scheme, &secrets, &headers, body) {
        Ok(verified) => println!("authentic, signed with secret {}", verified.secret_index()),
        Err(error) => println!("refused: {error}"),
    }

    // For many requests, key the secrets once.
    let verifier = Verifier::new(&scheme, &secrets)?;
    let headers = scheme.sign(&Secrets::new("sshhhhhh")?, body)?;
    let verified = verifier.verify(&headers, body)?;
    println!("authentic, signed with secret {}", verified.secret_index());
    Ok(())
}
