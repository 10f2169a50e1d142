//! Signs an event as a sender does and posts it, by default the event of Dwolla's documentation with a fresh id and the present time:
//!
//! ```sh
//! WEBHOOK_SECRET=… cargo run --example send
//! WEBHOOK_SECRET=… cargo run --example send -- --topic transfer_completed --copies 10
//! WEBHOOK_SECRET=… cargo run --example send -- --sender github --topic issues.closed
//! ```
//!
//! Arguments:
//!
//! - `--sender NAME`: who to be, by default `dwolla`; a name that is none lists them
//! - `--url URL`: where to (`http` only), by default `http://127.0.0.1:3000/webhooks/` and the sender
//! - `--secret SECRET`: what to sign with, by default `WEBHOOK_SECRET_` and the sender (upper case, `-` as `_`), else `WEBHOOK_SECRET`
//! - `--topic TOPIC`: by default one that is usual for the sender
//! - `--id ID`: the event's id, by default a fresh one; the time of an event with an id of yours is always the same, so that what
//!   is sent in a second call is a copy of the first, not another event under its id
//! - `--copies N`: how many copies of the event to send at once, by default 1
//! - `--tamper body|signature|header|time`: change the body or the signature after signing, leave the header out, or sign as of yesterday

mod senders;

use std::{
    env,
    error::Error,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use senders::{Event, SENDERS, Sender};
use tokio::task::JoinSet;
use tower_webhook::signature::Secrets;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse(env::args().skip(1))?;
    let Arguments { sender, event, url, .. } = &arguments;
    let mut body = serde_json::to_string(&(sender.event)(event))?;
    let (scheme, secrets) = (
        (sender.scheme)(&url.to_string()),
        Secrets::new(arguments.secret.as_str())?,
    );
    let now = SystemTime::now();
    let sign = |time, body: &str| scheme.sign_at(&secrets, &event.id, time, body.as_bytes());
    let mut headers = sign(now, &body)?;
    match arguments.tamper.as_deref() {
        None => {}
        // A blank behind it: the same event, in other bytes.
        Some("body") => body.push(' '),
        Some("signature") => headers = sign(now, "another body")?,
        Some("header") => headers.clear(),
        Some("time") if scheme.signs_timestamp() => headers = sign(now - Duration::from_secs(24 * 3600), &body)?,
        Some("time") => return Err(format!("--tamper time: {} signs no time beside the body", sender.name).into()),
        Some(other) => return Err(format!("--tamper {other}: expected body, signature, header or time").into()),
    }
    for (name, value) in (sender.headers)(event) {
        headers.insert(HeaderName::from_static(name), value.parse()?);
    }
    println!("{} {} to {url}", event.topic, event.id);

    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut copies = JoinSet::new();
    for _ in 0..arguments.copies {
        copies.spawn(client.request(request(url, &headers, &body)?));
    }
    let mut all_accepted = true;
    while let Some(answer) = copies.join_next().await {
        let answer = answer?.map_err(|error| format!("no answer from {url}: {error}"))?;
        all_accepted &= answer.status().is_success();
        print!("{}", answer.status());
        if let Some(seconds) = answer.headers().get("retry-after") {
            print!(" (retry after {} s)", seconds.to_str()?);
        }
        let text = answer.into_body().collect().await?.to_bytes();
        println!(
            "{}{}",
            if text.is_empty() { "" } else { " " },
            String::from_utf8_lossy(&text)
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

struct Arguments {
    sender: Sender,
    url: Uri,
    secret: String,
    event: Event,
    copies: usize,
    tamper: Option<String>,
}

impl Arguments {
    fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (mut name, mut url, mut secret) = ("dwolla".to_owned(), None, None);
        let (mut topic, mut id, mut copies, mut tamper) = (None, None, 1, None);
        while let Some(argument) = given.next() {
            if argument == "--help" {
                let names = SENDERS.map(|sender| sender.name).join("|");
                return Err(format!(
                    "--sender {names} --url URL --secret SECRET --topic TOPIC --id ID --copies N --tamper body|signature|header|time"
                )
                .into());
            }
            let value = given.next().ok_or_else(|| format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--sender" => name = value,
                "--url" => url = Some(value),
                "--secret" => secret = Some(value),
                "--topic" => topic = Some(value),
                "--id" => id = Some(value),
                "--copies" => {
                    let number = value.parse().ok().filter(|number| *number > 0);
                    copies = number.ok_or_else(|| format!("--copies {value}: expected a number from 1 on"))?;
                }
                "--tamper" => tamper = Some(value),
                other => {
                    let known = "--sender, --url, --secret, --topic, --id, --copies or --tamper";
                    return Err(format!("{other}: expected {known}").into());
                }
            }
        }
        let sender = SENDERS.into_iter().find(|sender| sender.name == name).ok_or_else(|| {
            let names = SENDERS.map(|sender| sender.name).join(", ");
            format!("--sender {name}: expected one of {names}")
        })?;
        let own = format!("WEBHOOK_SECRET_{}", name.to_uppercase().replace('-', "_"));
        let secret = secret
            .or_else(|| env::var(&own).ok())
            .or_else(|| env::var("WEBHOOK_SECRET").ok())
            .ok_or_else(|| {
                format!("no secret: expected --secret, {own} or WEBHOOK_SECRET, as the receiver printed it")
            })?;
        let url = url.unwrap_or_else(|| format!("http://127.0.0.1:3000/webhooks/{name}"));
        let url: Uri = url.parse().map_err(|error| format!("--url {url}: {error}"))?;
        if url.scheme_str() != Some("http") {
            return Err(format!("--url {url}: expected http://…").into());
        }
        let (id, created) = match id {
            Some(id) => (id, SystemTime::UNIX_EPOCH + Duration::from_secs(1_549_292_325)),
            None => (fresh_id()?, SystemTime::now()),
        };
        let topic = topic.unwrap_or_else(|| sender.usual_topic.to_owned());
        Ok(Self {
            sender,
            url,
            secret,
            event: Event { id, topic, created },
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
