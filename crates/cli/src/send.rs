//! `send`: an event as a provider signs it, or a captured request again.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    captured,
    failure::Failure,
    output::{Output, note, plain, plain_lines},
    provider::{DescriptionArgs, Event, FieldPlace, Provider, Signer, fresh_id},
    secrets::SecretArgs,
    wire::{NoResponse, Request, RootArgs, Target, exchange},
};

/// Signs an event as a provider does and posts it
///
/// Exit code: 0 if every copy gets a 2xx, 1 if one does not, 2 if nothing could be sent.
#[derive(Args, Debug)]
pub(crate) struct SendArgs {
    /// The provider to sign as; see `tower-webhook providers`
    #[arg(long, short, default_value = "dwolla")]
    provider: String,
    /// The URL to send to, http or https [default: http://127.0.0.1:3000/webhooks/PROVIDER]
    #[arg(long)]
    url: Option<String>,
    /// The URL that the receiver believes it has, for providers that sign it (Square)
    /// [default: the one of --url]
    #[arg(long, value_name = "URL")]
    signed_url: Option<String>,
    #[command(flatten)]
    roots: RootArgs,
    #[command(flatten)]
    description: DescriptionArgs,
    #[command(flatten)]
    secrets: SecretArgs,
    /// The event's topic [default: one that is usual for the provider]
    #[arg(long)]
    topic: Option<String>,
    /// The event's id [default: a fresh one]
    #[arg(long)]
    id: Option<String>,
    /// The body, byte for byte; - is standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// A captured request, sent as it is: headers, signature and body; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["body", "topic", "id", "tamper"])]
    captured: Option<PathBuf>,
    /// One header more, or another value of one
    #[arg(long = "header", value_name = "NAME:VALUE")]
    headers: Vec<String>,
    /// How many at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    copies: u32,
    /// What is wrong with it
    #[arg(long, value_enum)]
    tamper: Option<Tamper>,
    /// How many seconds a response may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tamper {
    /// A space behind the body, which nobody signed
    Body,
    /// The signature of another body
    Signature,
    /// No signature
    Header,
    /// Signed a month ago
    Time,
}

#[derive(Serialize)]
struct Sent {
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<String>,
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    took_ms: u64,
    /// Nothing of the request has left this machine.
    #[serde(skip)]
    is_unsent: bool,
}

#[derive(Serialize)]
struct Responses<'a> {
    topic: &'a str,
    id: &'a str,
    accepted: usize,
    responses: Vec<Sent>,
}

/// Whether all copies were accepted.
pub(crate) async fn send(arguments: SendArgs, output: Output) -> Result<bool, Failure> {
    let provider = arguments.description.provider(&arguments.provider)?;
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => format!("http://127.0.0.1:3000/webhooks/{}", provider.name),
    };
    let target = arguments.roots.of(Target::parse("--url", &url)?)?;
    let (event, mut request) = match &arguments.captured {
        Some(path) => (None, captured::read("--captured", path)?),
        None => {
            let secrets = arguments.secrets.read(provider.name)?;
            let secret = secrets.first().map_or("", String::as_str);
            let signer = Signer::new(provider, arguments.signed_url.as_deref().unwrap_or(&url), secret)?;
            let (event, request) = signed(&arguments, &signer)?;
            (Some(event), request)
        }
    };
    for header in &arguments.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            Failure::usage(format!(
                "--header is {header}; expected NAME:VALUE, content-type:application/json, say"
            ))
        })?;
        request.set(name.trim(), value.trim());
    }

    let (topic, id) = match &event {
        Some(event) => (event.topic.as_str(), event.id.as_str()),
        None => ("", ""),
    };
    if output == Output::Text {
        let said = |text: &str| if text.is_empty() { "-".to_owned() } else { plain(text) };
        match &event {
            Some(_) => note(&format!("{} {} to {url}", said(topic), said(id))),
            None => note(&format!("a captured request to {url}")),
        }
    }
    let responses = copies(
        &target,
        request,
        arguments.copies,
        Duration::from_secs(arguments.timeout),
    )
    .await;
    if let Some(first) = responses
        .first()
        .filter(|_| responses.iter().all(|sent| sent.is_unsent))
    {
        return Err(Failure::usage(format!(
            "nothing was sent to {}: {}; expected a receiver there: is it running?",
            target.authority,
            first.error.as_deref().unwrap_or_default()
        )));
    }
    let accepted = |sent: &&Sent| sent.status.is_some_and(|status| (200..300).contains(&status));
    let report = Responses {
        topic,
        id,
        accepted: responses.iter().filter(accepted).count(),
        responses,
    };
    output.print(|| text(&report, arguments.tamper.is_none()), &report);
    Ok(report.accepted == report.responses.len())
}

async fn copies(target: &Target, request: Request, copies: u32, limit: Duration) -> Vec<Sent> {
    let mut tasks = JoinSet::new();
    for _ in 0..copies {
        let (target, request) = (target.clone(), request.clone());
        tasks.spawn(async move { exchange(&target, &request.pieces(&target), request.method, limit).await });
    }
    let mut all = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        let Ok(response) = joined else { continue };
        all.push(match response {
            Ok(response) => Sent {
                status: Some(response.status),
                retry_after: response.header("retry-after").map(str::to_owned),
                body: String::from_utf8_lossy(&response.body).into_owned(),
                error: None,
                took_ms: u64::try_from(response.took.as_millis()).unwrap_or(u64::MAX),
                is_unsent: false,
            },
            Err(error) => Sent {
                status: None,
                retry_after: None,
                body: String::new(),
                is_unsent: matches!(error, NoResponse::Connect(_)),
                error: Some(error.to_string()),
                took_ms: 0,
            },
        });
    }
    all
}

fn text(report: &Responses<'_>, advises: bool) -> String {
    let mut lines = Vec::new();
    for sent in &report.responses {
        let mut line = match (sent.status, &sent.error) {
            (Some(status), _) => {
                let status = http::StatusCode::from_u16(status);
                status.map_or_else(|_| "-".to_owned(), |status| status.to_string())
            }
            (None, error) => error.clone().unwrap_or_default(),
        };
        if let Some(seconds) = &sent.retry_after {
            line.push_str(&format!(" (retry after {} s)", plain(seconds)));
        }
        if !sent.body.is_empty() {
            line.push_str(&format!(" {}", plain_lines(sent.body.trim_end())));
        }
        if advises {
            let advice = match sent.status {
                Some(401) => {
                    "\n    most often the receiver has another secret, or is another provider's: its log says why"
                }
                Some(404 | 405) => "\n    no webhook is received at this path: see --url",
                Some(_) => "",
                None => "\n    is the receiver running there?",
            };
            line.push_str(advice);
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// The event, and the request that brings it.
fn signed(arguments: &SendArgs, signer: &Signer) -> Result<(Event, Request), Failure> {
    let provider = signer.provider;
    let (mut event, body) = match &arguments.body {
        Some(path) => {
            let body = captured::read_bytes("--body", path)?;
            (in_body(arguments, provider, &body)?, body)
        }
        None => {
            let event = made(arguments, provider);
            let body = serde_json::to_vec(&(provider.event)(&event))
                .map_err(|error| Failure::caused_by("the event cannot be written", &error))?;
            (event, body.into())
        }
    };
    match arguments.tamper {
        Some(Tamper::Time) if !signer.scheme.signs_timestamp() => {
            return Err(Failure::usage(format!(
                "--tamper is time, and {} signs no time beside the body; expected body, signature or header",
                provider.name
            )));
        }
        Some(Tamper::Time) => event.sent = SystemTime::now() - Duration::from_secs(30 * 24 * 3600),
        _ => {}
    }
    let mut request = signer.request_with(&event, body.clone())?;
    match arguments.tamper {
        Some(Tamper::Body) => request.body = [&body[..], b" "].concat().into(),
        Some(Tamper::Signature) => {
            request = signer.request_with(&event, Bytes::from_static(b"another body"))?;
            request.body = body;
        }
        Some(Tamper::Header) => request.remove(signer.header()),
        Some(Tamper::Time) | None => {}
    }
    Ok((event, request))
}

/// One of ours. With an id of the caller's it has a fixed time: the same call makes the same event.
fn made(arguments: &SendArgs, provider: &Provider) -> Event {
    let now = SystemTime::now();
    let (id, created) = match &arguments.id {
        Some(id) => (id.clone(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_549_292_325)),
        None => (fresh_id(), now),
    };
    let topic = arguments.topic.as_deref().unwrap_or(provider.usual_topic);
    Event {
        id,
        topic: topic.to_owned(),
        created,
        sent: now,
    }
}

/// The one in a body of the caller's. Only what that provider says in headers can be chosen.
fn in_body(arguments: &SendArgs, provider: &Provider, body: &[u8]) -> Result<Event, Failure> {
    // Anything can be sent, JSON or not; what is not there is left out of the headers.
    let json = serde_json::from_slice(body).unwrap_or(Value::Null);
    let chosen = |name: &str, at: FieldPlace, given: &Option<String>| match (at, given) {
        (FieldPlace::Body(places), None) => Ok(Some(text_at(&json, places))),
        (FieldPlace::Header, given) => Ok(given.clone()),
        (FieldPlace::Body(_), Some(_)) => Err(Failure::usage(format!(
            "{name} is given beside --body, and {} says it in the body; leave {name} out, or change the file",
            provider.name
        ))),
    };
    let topic = chosen("--topic", provider.topic, &arguments.topic)?.ok_or_else(|| {
        Failure::usage(format!(
            "--topic is missing: {} says it in a header, not in the body; give --topic {}, say",
            provider.name, provider.usual_topic
        ))
    })?;
    let id = chosen("--id", provider.id, &arguments.id)?.unwrap_or_else(fresh_id);
    let now = SystemTime::now();
    Ok(Event {
        id,
        topic,
        created: now,
        sent: now,
    })
}

/// The texts at these JSON pointers, with dots between them.
fn text_at(json: &Value, places: &[&str]) -> String {
    let texts = places.iter().filter_map(|place| json.pointer(place)?.as_str());
    texts.collect::<Vec<_>>().join(".")
}
