//! The command line of `send`.

use std::{
    env,
    error::Error,
    fs,
    io::{self, Read},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri};
use serde_json::Value;

use crate::providers::{At, Event, PROVIDERS, Provider};

pub(crate) const USAGE: &str = "\
Signs an event as a provider does and posts it.

    --provider NAME        who to be, by default dwolla
    --url URL            where to, http or https; by default http://127.0.0.1:3000/webhooks/NAME
    --secret SECRET      what to sign with
    --topic TOPIC        the event's topic
    --id ID              the event's id
    --body FILE          the body, byte for byte; - is standard input
    --header NAME:VALUE  one header more, or another value of one
    --copies N           how many at once
    --tamper WHAT        body, signature, header or time

Providers: ";

pub(crate) struct Arguments {
    pub(crate) provider: Provider,
    pub(crate) url: Uri,
    pub(crate) secret: String,
    pub(crate) event: Event,
    pub(crate) body: Bytes,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) copies: usize,
    pub(crate) tamper: Option<String>,
}

impl Arguments {
    pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (mut name, mut url, mut secret, mut file) = ("dwolla".to_owned(), None, None, None);
        let (mut topic, mut id, mut copies, mut tamper, mut headers) = (None, None, 1, None, Vec::new());
        while let Some(argument) = given.next() {
            let mut value = || {
                let value = given.next();
                value.ok_or_else(|| format!("{argument} has no value; --help says what it takes"))
            };
            match argument.as_str() {
                "--provider" => name = value()?,
                "--url" => url = Some(value()?),
                "--secret" => secret = Some(value()?),
                "--topic" => topic = Some(value()?),
                "--id" => id = Some(value()?),
                "--body" => file = Some(value()?),
                "--header" => headers.push(header(&value()?)?),
                "--copies" => {
                    let value = value()?;
                    let number = value.parse().ok().filter(|number| *number > 0);
                    copies = number.ok_or_else(|| format!("--copies is {value}; expected a number from 1 on"))?;
                }
                "--tamper" => tamper = Some(value()?),
                other => return Err(format!("{other} is no argument; --help lists those there are").into()),
            }
        }
        let provider = PROVIDERS
            .into_iter()
            .find(|provider| provider.name == name)
            .ok_or_else(|| {
                let names = PROVIDERS.map(|provider| provider.name).join(", ");
                format!("--provider is {name}; expected one of {names}")
            })?;
        let url = url.unwrap_or_else(|| format!("http://127.0.0.1:3000/webhooks/{name}"));
        let url = parse_url(&url)?;
        let own = format!("WEBHOOK_SECRET_{}", name.to_uppercase().replace('-', "_"));
        let secret = secret
            .or_else(|| env::var(&own).ok())
            .or_else(|| env::var("WEBHOOK_SECRET").ok())
            .ok_or_else(|| {
                format!("the secret is missing; expected what the receiver has: set {own} or WEBHOOK_SECRET, or give --secret")
            })?;
        let (event, body) = match file {
            Some(file) => {
                let body = read(&file)?;
                (Event::in_body(&provider, &body, topic, id)?, body)
            }
            None => {
                let event = Event::made(&provider, topic, id)?;
                let body = serde_json::to_vec(&(provider.event)(&event))?;
                (event, body.into())
            }
        };
        Ok(Self {
            provider,
            url,
            secret,
            event,
            body,
            headers,
            copies,
            tamper,
        })
    }
}

impl Event {
    /// One of ours. With an id of the caller's it has a fixed time: the same call makes the same
    /// event.
    fn made(provider: &Provider, topic: Option<String>, id: Option<String>) -> Result<Self, Box<dyn Error>> {
        let (id, created) = match id {
            Some(id) => (id, SystemTime::UNIX_EPOCH + Duration::from_secs(1_549_292_325)),
            None => (fresh_id()?, SystemTime::now()),
        };
        let topic = topic.unwrap_or_else(|| provider.usual_topic.to_owned());
        Ok(Self { id, topic, created })
    }

    /// The one in a body of the caller's. Only what that provider says in headers can be chosen.
    fn in_body(
        provider: &Provider,
        body: &[u8],
        topic: Option<String>,
        id: Option<String>,
    ) -> Result<Self, Box<dyn Error>> {
        let name = provider.name;
        // Anything can be sent, JSON or not; what is not there is left out of the headers.
        let json = serde_json::from_slice(body).unwrap_or(Value::Null);
        let topic = match (provider.topic, topic) {
            (At::Body(places), None) => text_at(&json, places),
            (At::Header, Some(topic)) => topic,
            (At::Header, None) => {
                let usual = provider.usual_topic;
                return Err(format!(
                    "--topic is missing: {name} says it in a header, not in the body; give --topic {usual}, say"
                )
                .into());
            }
            (At::Body(_), Some(_)) => return Err(is_in_body("--topic", name).into()),
        };
        let id = match (provider.id, id) {
            (At::Body(places), None) => text_at(&json, places),
            (At::Header, Some(id)) => id,
            (At::Header, None) => fresh_id()?,
            (At::Body(_), Some(_)) => return Err(is_in_body("--id", name).into()),
        };
        let created = SystemTime::now();
        Ok(Self { id, topic, created })
    }
}

fn is_in_body(argument: &str, provider: &str) -> String {
    format!(
        "{argument} is given beside --body, and {provider} says it in the body; leave {argument} out, or change the file"
    )
}

/// The texts at these JSON pointers, with dots between them.
fn text_at(json: &Value, places: &[&str]) -> String {
    let texts = places.iter().filter_map(|place| json.pointer(place)?.as_str());
    texts.collect::<Vec<_>>().join(".")
}

fn read(file: &str) -> Result<Bytes, String> {
    let mut body = Vec::new();
    let read = match file {
        "-" => io::stdin().read_to_end(&mut body).map(|_| body),
        file => fs::read(file),
    };
    read.map(Bytes::from)
        .map_err(|error| format!("--body {file} cannot be read: {error}; expected a file, or - for standard input"))
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parse = || {
        let (name, value) = text.split_once(':')?;
        Some((name.parse().ok()?, value.trim().parse().ok()?))
    };
    parse().ok_or_else(|| format!("--header is {text}; expected NAME:VALUE, content-type:application/json, say"))
}

fn parse_url(text: &str) -> Result<Uri, String> {
    match text.parse::<Uri>() {
        Ok(url) if matches!(url.scheme_str(), Some("http" | "https")) => Ok(url),
        _ => Err(format!("--url is {text}; expected http://… or https://…")),
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
