//! Signs an event as a provider does and posts it, by default the event of Dwolla's documentation
//! with a fresh id and the present time:
//!
//! ```sh
//! WEBHOOK_SECRET=… cargo run --example send
//! WEBHOOK_SECRET=… cargo run --example send -- --topic transfer_completed --copies 10
//! WEBHOOK_SECRET=… cargo run --example send -- --provider github --topic issues.closed
//! WEBHOOK_SECRET=… cargo run --example send -- --provider stripe --body event.json \
//!     --url https://example.com/hooks
//! ```
//!
//! Arguments:
//!
//! - `--provider NAME`: who to be, by default `dwolla`; a name that is none lists them
//! - `--url URL`: where to, by default `http://127.0.0.1:3000/webhooks/` and the provider. With
//!   `https`, this machine's root certificates are trusted, or else those in the file that
//!   `SSL_CERT_FILE` names
//! - `--secret SECRET`: what to sign with, by default `WEBHOOK_SECRET_` and the provider (upper
//!   case, `-` as `_`), else `WEBHOOK_SECRET`
//! - `--topic TOPIC`: by default one that is usual for the provider
//! - `--id ID`: the event's id, by default a fresh one; the time of an event with an id of yours is
//!   always the same, so that what is sent in a second call is a copy of the first, not another
//!   event under its id (Linear's body alone says when it is sent; for a copy of it, byte for byte,
//!   use `--body`)
//! - `--body FILE`: a body of yours, sent byte for byte; `-` is standard input. Topic and id are
//!   those in the body; `--topic` and `--id` are for the providers that say them in a header
//! - `--header NAME:VALUE`: one header more, or another value of one that is sent anyway; as often
//!   as you like
//! - `--copies N`: how many copies of the event to send at once, by default 1
//! - `--tamper body|signature|header|time`: change the body or the signature after signing, leave
//!   the header out, or sign as of a month ago
//!
//! Its exit code is 0 if every copy gets a 2xx.

mod arguments;
mod providers;

use std::{
    env,
    error::Error,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use arguments::{Arguments, USAGE};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{
        Client, ResponseFuture,
        connect::{Connect, HttpConnector},
    },
    rt::TokioExecutor,
};
use providers::PROVIDERS;
use tokio::{task::JoinSet, time::timeout};
use tower_webhook::signature::Secrets;

/// Twice as long as the most patient provider waits.
const TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    if env::args()
        .skip(1)
        .any(|argument| matches!(argument.as_str(), "-h" | "--help"))
    {
        println!("{USAGE}{}", PROVIDERS.map(|provider| provider.name).join(", "));
        return ExitCode::SUCCESS;
    }
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all copies were accepted.
async fn run() -> Result<bool, Box<dyn Error>> {
    let arguments = Arguments::parse(env::args().skip(1))?;
    let (headers, body) = signed(&arguments)?;
    let Arguments { event, url, .. } = &arguments;
    let said = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    println!("{} {} to {url}", said(&event.topic), said(&event.id));

    let mut request = Request::post(url).body(Full::new(body))?;
    *request.headers_mut() = headers;
    let responses: Vec<_> = if url.scheme_str() == Some("https") {
        let tls = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
            format!("no root certificates: {error}; expected them in a file: name it in SSL_CERT_FILE")
        })?;
        copies(tls.https_only().enable_http1().build(), &request, arguments.copies)
    } else {
        copies(HttpConnector::new(), &request, arguments.copies)
    };
    let mut responses: JoinSet<_> = responses
        .into_iter()
        .map(|response| timeout(TIMEOUT, response))
        .collect();

    let mut all_accepted = true;
    while let Some(response) = responses.join_next().await {
        let response = response?
            .map_err(|_| format!("{url} did not respond within {} s", TIMEOUT.as_secs()))?
            .map_err(|error| no_response(url, &error))?;
        let status = response.status();
        all_accepted &= status.is_success();
        print!("{status}");
        if let Some(seconds) = response.headers().get("retry-after") {
            print!(" (retry after {} s)", seconds.to_str()?);
        }
        let text = response.into_body().collect().await?.to_bytes();
        println!(
            "{}{}",
            if text.is_empty() { "" } else { " " },
            String::from_utf8_lossy(&text)
        );
        if arguments.tamper.is_none() {
            advise(status);
        }
    }
    Ok(all_accepted)
}

/// The headers and the body as they are sent.
fn signed(arguments: &Arguments) -> Result<(HeaderMap, Bytes), Box<dyn Error>> {
    let Arguments { provider, event, .. } = arguments;
    let scheme = (provider.scheme)(&arguments.url.to_string());
    let secrets =
        Secrets::new(arguments.secret.as_str()).map_err(|error| format!("the secret is unusable: {error}"))?;
    let mut body = arguments.body.clone();
    let now = SystemTime::now();
    let sign = |time, body: &[u8]| scheme.sign_at(&secrets, &event.id, time, body);
    let mut headers = sign(now, &body)?;
    match arguments.tamper.as_deref() {
        None => {}
        // A blank behind it: the same event, in other bytes.
        Some("body") => body = [&body[..], b" "].concat().into(),
        Some("signature") => headers = sign(now, b"another body")?,
        Some("header") => headers.clear(),
        Some("time") if scheme.signs_timestamp() => headers = sign(now - Duration::from_secs(30 * 24 * 3600), &body)?,
        Some("time") => {
            return Err(format!(
                "--tamper is time, and {} signs no time beside the body; expected body, signature or header",
                provider.name
            )
            .into());
        }
        Some(other) => return Err(format!("--tamper is {other}; expected body, signature, header or time").into()),
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in (provider.headers)(event) {
        if !value.is_empty() {
            let value = value
                .parse()
                .map_err(|_| format!("{value:?} is no value of the header {name}; expected printable ASCII"))?;
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.extend(arguments.headers.iter().cloned());
    Ok((headers, body))
}

/// This request, so many times at once.
fn copies<C>(connector: C, request: &Request<Full<Bytes>>, number: usize) -> Vec<ResponseFuture>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client = Client::builder(TokioExecutor::new()).build(connector);
    (0..number).map(|_| client.request(request.clone())).collect()
}

/// Why there is no response: an error of hyper's names its cause only in its sources.
fn no_response(url: &Uri, error: &dyn Error) -> String {
    let mut text = format!("no response from {url}");
    let mut cause = Some(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let advice = if text.contains("certificate") {
        "expected one that this machine trusts: else name the file of its root in SSL_CERT_FILE"
    } else {
        "is the receiver running there?"
    };
    format!("{text}; {advice}")
}

/// What a newcomer looks for first.
fn advise(status: StatusCode) {
    let advice = match status {
        StatusCode::UNAUTHORIZED => {
            "most often the receiver has another secret, or is another provider's: its log says why"
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => "no webhook is received at this path: see --url",
        _ => return,
    };
    eprintln!("{}: {advice}", status.as_u16());
}
