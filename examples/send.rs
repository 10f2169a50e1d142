//! Signs an event as a sender does and posts it, by default the event of Dwolla's documentation with a fresh id and the present time:
//!
//! ```sh
//! WEBHOOK_SECRET=… cargo run --example send
//! WEBHOOK_SECRET=… cargo run --example send -- --topic transfer_completed --copies 10
//! WEBHOOK_SECRET=… cargo run --example send -- --sender example --topic team.member.role_changed
//! ```
//!
//! Arguments:
//!
//! - `--sender dwolla|example`: who to be, by default `dwolla`; `example` is the sender that the receiver describes itself
//! - `--url URL`: where to (`http` only), by default `http://127.0.0.1:3000/webhooks/` and the sender
//! - `--secret SECRET`: what to sign with, by default `WEBHOOK_SECRET`
//! - `--topic TOPIC`: by default `customer_created`, or `user.created` for `example`
//! - `--id ID`: the event's id, by default a fresh one; the time of an event with an id of yours is always the same, so that what
//!   is sent in a second call is a copy of the first, not another event under its id
//! - `--copies N`: how many copies of the event to send at once, by default 1
//! - `--tamper body|signature|header`: change the body or the signature after signing, or leave the header out

use std::{env, error::Error, process::ExitCode, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::task::JoinSet;
use tower_webhook::{
    dwolla,
    signature::{Algorithm, Encoding, Scheme, Secrets},
};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse(env::args().skip(1))?;
    let mut body = arguments.sender.event(&arguments)?;
    let (scheme, secrets) = (arguments.sender.scheme(), Secrets::new(arguments.secret.as_str())?);
    let mut headers = scheme.sign(&secrets, body.as_bytes())?;
    match arguments.tamper.as_deref() {
        None => {}
        Some("body") => body = body.replace(&arguments.topic, "tampered"),
        Some("signature") => headers = scheme.sign(&secrets, b"another body")?,
        Some("header") => headers.clear(),
        Some(other) => return Err(format!("--tamper {other}: expected body, signature or header").into()),
    }
    headers.extend(arguments.sender.unsigned_headers(&arguments.topic)?);
    println!("{} {} to {}", arguments.topic, arguments.id, arguments.url);

    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut copies = JoinSet::new();
    for _ in 0..arguments.copies {
        copies.spawn(client.request(request(&arguments.url, &headers, &body)?));
    }
    let mut all_accepted = true;
    while let Some(answer) = copies.join_next().await {
        let answer = answer?.map_err(|error| format!("no answer from {}: {error}", arguments.url))?;
        all_accepted &= answer.status().is_success();
        print!("{}", answer.status());
        if let Some(seconds) = answer.headers().get("retry-after") {
            print!(" (retry after {} s)", seconds.to_str()?);
        }
        println!(
            " {}",
            String::from_utf8_lossy(&answer.into_body().collect().await?.to_bytes())
        );
    }
    Ok(if all_accepted {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn request(url: &Uri, headers: &HeaderMap, body: &str) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::post(url)
        .header("content-type", "application/json")
        .body(Full::from(body.to_owned()))?;
    request.headers_mut().extend(headers.clone());
    Ok(request)
}

#[derive(Clone, Copy)]
enum Sender {
    Dwolla,
    Example,
}

impl Sender {
    fn scheme(self) -> Scheme {
        match self {
            Self::Dwolla => dwolla::scheme(),
            Self::Example => {
                let header = HeaderName::from_static("x-webhook-signature");
                Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex).prefix(HeaderValue::from_static("sha256="))
            }
        }
    }

    fn unsigned_headers(self, topic: &str) -> Result<HeaderMap, Box<dyn Error>> {
        let mut headers = HeaderMap::new();
        if let Self::Example = self {
            headers.insert("x-webhook-id", HeaderValue::from_static("wh_1"));
            headers.insert("x-webhook-event", topic.parse()?);
        }
        Ok(headers)
    }

    /// The documented event, with another id, topic and time.
    fn event(self, arguments: &Arguments) -> Result<String, Box<dyn Error>> {
        let Arguments { id, topic, created, .. } = arguments;
        let api = "https://api-sandbox.dwolla.com";
        let customer = "6c57f372-e9a0-47d4-91f3-ab2b3aae56f0";
        Ok(serde_json::to_string(&match self {
            Self::Dwolla => serde_json::json!({
                "id": id,
                "resourceId": customer,
                "topic": topic,
                "created": created,
                "_links": {
                    "self": { "href": format!("{api}/events/{id}") },
                    "account": { "href": format!("{api}/accounts/ad5f2162-404a-4c4c-994e-6ab6c3a13254") },
                    "resource": { "href": format!("{api}/customers/{customer}") },
                    "customer": { "href": format!("{api}/customers/{customer}") },
                },
            }),
            Self::Example => serde_json::json!({
                "id": id,
                "type": topic,
                "created_at": created,
                "data": { "id": "usr_1", "name": "Ada" },
            }),
        })?)
    }
}

struct Arguments {
    sender: Sender,
    url: Uri,
    secret: String,
    topic: String,
    id: String,
    created: String,
    copies: usize,
    tamper: Option<String>,
}

impl Arguments {
    fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (mut sender, mut url, mut topic) = ("dwolla".to_owned(), None, None);
        let mut secret = env::var("WEBHOOK_SECRET").ok();
        let (mut id, mut copies, mut tamper) = (None, 1, None);
        while let Some(name) = given.next() {
            let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--sender" => sender = value,
                "--url" => url = Some(value),
                "--secret" => secret = Some(value),
                "--topic" => topic = Some(value),
                "--id" => id = Some(value),
                "--copies" => {
                    copies = value
                        .parse()
                        .map_err(|_| format!("--copies {value}: expected a number"))?
                }
                "--tamper" => tamper = Some(value),
                other => {
                    let known = "--sender, --url, --secret, --topic, --id, --copies or --tamper";
                    return Err(format!("{other}: expected {known}").into());
                }
            }
        }
        let secret = secret.ok_or("no secret: expected --secret or WEBHOOK_SECRET, as the receiver printed it")?;
        let url = url.unwrap_or_else(|| format!("http://127.0.0.1:3000/webhooks/{sender}"));
        let (sender, usual_topic) = match sender.as_str() {
            "dwolla" => (Sender::Dwolla, "customer_created"),
            "example" => (Sender::Example, "user.created"),
            other => return Err(format!("--sender {other}: expected dwolla or example").into()),
        };
        let (id, created) = match id {
            Some(id) => (id, "2019-02-04T14:58:45.144Z".to_owned()),
            None => (
                fresh_id()?,
                humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            ),
        };
        let url: Uri = url.parse().map_err(|error| format!("--url {url}: {error}"))?;
        if url.scheme_str() != Some("http") {
            return Err(format!("--url {url}: expected http://…").into());
        }
        Ok(Self {
            sender,
            url,
            secret,
            topic: topic.unwrap_or_else(|| usual_topic.to_owned()),
            id,
            created,
            copies,
            tamper,
        })
    }
}

/// A random UUID (version 4).
fn fresh_id() -> Result<String, Box<dyn Error>> {
    let mut bytes = [0_u8; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).map_err(|_| "no random numbers")?;
    let bits = u128::from_be_bytes(bytes) & !(0xf000_c000 << 48) | 0x4000_8000 << 48;
    let hex = format!("{bits:032x}");
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    Ok(format!("{a}-{b}-{c}-{d}-{e}"))
}
