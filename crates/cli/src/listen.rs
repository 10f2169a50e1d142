//! `listen`: a receiver that shows what comes, and hands it on.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use anstyle::AnsiColor;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
};
use clap::Args;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_webhook::signature::{Explain, Scheme, Secrets, verify};

use crate::{
    captured,
    failure::Failure,
    output::{Output, coloured, json as print_json, line, note, plain, plain_lines},
    provider::DescriptionArgs,
    secrets::SecretArgs,
    time,
    wire::{Request, RootArgs, Target, exchange},
};

/// No provider here sends more.
const LARGEST: usize = 32 * 1024 * 1024;

/// Shows what comes, and hands it on if told to
///
/// With a provider and a secret it also says whether each request is authentic, and if not, why.
/// It runs until it is stopped.
#[derive(Args, Debug)]
pub(crate) struct ListenArgs {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The requests' provider; see `tower-webhook providers`
    #[arg(long, short)]
    provider: Option<String>,
    #[command(flatten)]
    roots: RootArgs,
    #[command(flatten)]
    description: DescriptionArgs,
    #[command(flatten)]
    secrets: SecretArgs,
    /// The URL that the provider signs (Square)
    #[arg(long, value_name = "URL", default_value = "")]
    signed_url: String,
    /// The URL to forward the exact bytes and headers to; its response is given back
    #[arg(long, value_name = "URL")]
    forward: Option<String>,
    /// A folder for each request as a file, for `send --captured` and `explain`
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// The status to respond with if nothing is forwarded and the request is not found to be forged
    #[arg(long, value_name = "STATUS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..600))]
    status: u16,
    /// Shows names of headers, and neither their values nor bodies
    #[arg(long)]
    brief: bool,
}

struct Listener {
    keys: Option<(Scheme, Secrets)>,
    forward: Option<Target>,
    save: Option<PathBuf>,
    status: u16,
    is_brief: bool,
    output: Output,
    number: AtomicU64,
}

/// Listens until it is stopped.
pub(crate) async fn listen(arguments: ListenArgs, output: Output) -> Result<bool, Failure> {
    let listener = Arc::new(Listener {
        keys: keys(&arguments)?,
        forward: match &arguments.forward {
            Some(url) => Some(arguments.roots.of(Target::parse("--forward", url)?)?),
            None => None,
        },
        save: arguments.save.clone(),
        status: arguments.status,
        is_brief: arguments.brief,
        output,
        number: AtomicU64::new(0),
    });
    if let Some(folder) = &arguments.save {
        std::fs::create_dir_all(folder).map_err(|error| {
            let tried = format!("--save is {}, which cannot be made", folder.display());
            Failure::caused_by(tried, &error)
        })?;
    }
    let failed = |error: std::io::Error| {
        let tried = format!("--listen is {}; expected a free address and port", arguments.listen);
        Failure::caused_by(tried, &error)
    };
    let socket = TcpListener::bind(arguments.listen).await.map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    note(&format!("listening on http://{address}/"));
    let app = Router::new()
        .fallback(receive)
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(listener);
    let stopped = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(socket, app)
        .with_graceful_shutdown(stopped)
        .await
        .map_err(|error| Failure::caused_by("the listener stopped", &error))?;
    Ok(true)
}

fn keys(arguments: &ListenArgs) -> Result<Option<(Scheme, Secrets)>, Failure> {
    let Some(name) = &arguments.provider else {
        return Ok(None);
    };
    let provider = arguments.description.provider(name)?;
    let secrets = arguments.secrets.read_if_any(provider.name)?;
    if secrets.is_empty() {
        return Ok(None);
    }
    let secrets =
        Secrets::several(secrets).map_err(|error| Failure::usage(format!("the secret is unusable: {error}")))?;
    let scheme = (provider.scheme)(&arguments.signed_url);
    // A secret of another form is refused here, and not at the first request.
    scheme
        .sign(&secrets, b"")
        .map_err(|error| Failure::usage(format!("the secret is unusable: {error}")))?;
    Ok(Some((scheme, secrets)))
}

async fn receive(
    State(listener): State<Arc<Listener>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let number = listener.number.fetch_add(1, Ordering::Relaxed) + 1;
    let checked = listener.keys.as_ref().map(|(scheme, secrets)| {
        verify(scheme, secrets, &headers, &body)
            .map(|_| ())
            .map_err(|_| Explain::new(scheme, secrets).request(&headers, &body).to_string())
    });
    let mut saved = None;
    if let Some(folder) = &listener.save {
        let path = folder.join(format!("{number:05}.http"));
        let text = captured::write(uri.path(), &headers, &body);
        match tokio::fs::write(&path, text).await {
            Ok(()) => saved = Some(path.display().to_string()),
            Err(error) => note(&format!("{} cannot be written: {error}", path.display())),
        }
    }
    let response = match &listener.forward {
        Some(target) => forward(target, &method, &headers, body.clone()).await,
        None => Ok(own(listener.status, &checked)),
    };
    let (status, error) = match &response {
        Ok(response) => (response.status().as_u16(), None),
        Err(error) => (502, Some(error.clone())),
    };
    let shown = Shown {
        number,
        method: &method,
        path: uri.path(),
        headers: &headers,
        body: &body,
        checked: &checked,
        saved,
        status,
        error,
    };
    match listener.output {
        Output::Text => line(&shown.text(listener.is_brief)),
        Output::Json => print_json(&shown.json(listener.is_brief)),
    }
    response.unwrap_or_else(|_| empty(502))
}

type Checked = Option<Result<(), String>>;

fn own(status: u16, checked: &Checked) -> Response<Body> {
    empty(if matches!(checked, Some(Err(_))) { 401 } else { status })
}

fn empty(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}

/// Sends the bytes and headers that came to another receiver, and returns its response.
async fn forward(target: &Target, method: &Method, headers: &HeaderMap, body: Bytes) -> Result<Response<Body>, String> {
    let mut request = Request::post(body);
    request.method = match *method {
        Method::POST => "POST",
        Method::GET => "GET",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        _ => return Err(format!("{method} is not handed on")),
    };
    for (name, value) in headers {
        if !captured::is_of_the_connection(name.as_str()) {
            request.append(name.as_str(), value.as_bytes());
        }
    }
    let got = exchange(target, &request.pieces(target), request.method, Duration::from_secs(30))
        .await
        .map_err(|error| error.to_string())?;
    let mut response = Response::new(Body::from(got.body));
    *response.status_mut() = StatusCode::from_u16(got.status).map_err(|error| error.to_string())?;
    for (name, value) in &got.headers {
        if let (false, Ok(name), Ok(value)) = (
            captured::is_of_the_connection(name),
            name.parse::<http::HeaderName>(),
            value.parse::<http::HeaderValue>(),
        ) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

struct Shown<'a> {
    number: u64,
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    body: &'a [u8],
    checked: &'a Checked,
    saved: Option<String>,
    status: u16,
    error: Option<String>,
}

impl Shown<'_> {
    fn text(&self, is_brief: bool) -> String {
        let Self {
            number, method, path, ..
        } = self;
        let time = time::write(SystemTime::now());
        let status = self.status;
        let colour = if status < 400 { AnsiColor::Green } else { AnsiColor::Red };
        let mut text = format!(
            "#{number} {time} {method} {} ({} bytes): {}",
            plain(path),
            self.body.len(),
            coloured(colour, &status.to_string())
        );
        // What others wrote is further in than what is said of it.
        let mut theirs = |lines: &str| text.push_str(&format!("\n        {}", lines.replace('\n', "\n        ")));
        for (name, value) in self.headers {
            match is_brief {
                true => theirs(name.as_str()),
                false => theirs(&plain(&format!(
                    "{name}: {}",
                    String::from_utf8_lossy(value.as_bytes())
                ))),
            }
        }
        if !is_brief && !self.body.is_empty() {
            theirs("");
            theirs(&plain_lines(&pretty(self.body)));
        }
        let mut add = |line: String| text.push_str(&format!("\n    {}", plain(&line)));
        match self.checked {
            Some(Ok(())) => add("authentic".to_owned()),
            Some(Err(why)) => add(format!("not authentic: {why}")),
            None => {}
        }
        if let Some(path) = &self.saved {
            add(format!("saved as {path}"));
        }
        if let Some(error) = &self.error {
            add(format!("not handed on: {error}"));
        }
        text
    }

    fn json(&self, is_brief: bool) -> Value {
        let headers = self.headers.iter().map(|(name, value)| match is_brief {
            true => json!(name.as_str()),
            false => json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]),
        });
        json!({
            "number": self.number,
            "time": time::write(SystemTime::now()),
            "method": self.method.as_str(),
            "path": self.path,
            "headers": headers.collect::<Vec<_>>(),
            "body": (!is_brief).then(|| String::from_utf8_lossy(self.body)),
            "bytes": self.body.len(),
            "authentic": self.checked.as_ref().map(Result::is_ok),
            "why": self.checked.as_ref().and_then(|checked| checked.as_ref().err()),
            "saved": self.saved,
            "status": self.status,
            "error": self.error,
        })
    }
}

/// JSON with line breaks; anything else as it is.
pub(crate) fn pretty(body: &[u8]) -> String {
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    parsed
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok())
        .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}
