//! `explain`: why a captured request is refused.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::Args;
use serde::Serialize;
use tower_webhook::signature::{Explain, ExplanationKind, Secrets};

use crate::{
    captured,
    failure::Failure,
    output::Output,
    provider::{DescriptionArgs, Provider},
    secrets::SecretArgs,
};

/// Says which mistake explains that a captured request is refused
///
/// The file holds a request as HTTP writes it: a request line (which may be left out), headers, an
/// empty line, and the body, byte for byte. Exit code: 0 if the request is authentic, 1 if it is
/// not, 2 if there is no request or no secret.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The captured request; - is standard input
    request: PathBuf,
    /// The request's provider; see `tower-webhook providers`
    #[arg(long, short)]
    provider: String,
    #[command(flatten)]
    description: DescriptionArgs,
    #[command(flatten)]
    secrets: SecretArgs,
    /// The URL that the provider signs (Square)
    #[arg(long, value_name = "URL", default_value = "")]
    signed_url: String,
    /// When it came, in RFC 3339 or as an age (90s, 3h) [default: now]
    #[arg(long, value_name = "TIME", value_parser = crate::time::parse)]
    at: Option<SystemTime>,
}

#[derive(Serialize)]
struct Explained {
    authentic: bool,
    kinds: Vec<&'static str>,
    certain: bool,
    explanation: String,
}

/// Whether the request is authentic.
pub(crate) fn explain(arguments: &ExplainArgs, output: Output) -> Result<bool, Failure> {
    let provider = arguments.description.provider(&arguments.provider)?;
    let secrets = arguments.secrets.read(provider.name)?;
    let request = captured::read("the request", &arguments.request)?;
    let unusable = |error| Failure::usage(format!("the secret is unusable: {error}"));
    // Also those that a receiver would refuse at start: they are what is to be explained.
    let secrets = Secrets::several(secrets.clone())
        .or_else(|_| Secrets::raw_keys(secrets))
        .map_err(unusable)?;
    let scheme = (provider.scheme)(&arguments.signed_url);
    let mut explain = Explain::new(&scheme, &secrets);
    for name in Provider::names().filter(|name| *name != provider.name) {
        // Where the environment has another endpoint's secret, the request may be for that one.
        let variable = format!("WEBHOOK_SECRET_{}", name.to_uppercase().replace('-', "_"));
        if let (Ok(other), Ok(secret)) = (Provider::named(name), std::env::var(variable))
            && let Ok(secrets) = Secrets::new(secret)
        {
            explain = explain.also(name, &(other.scheme)(&arguments.signed_url), &secrets);
        }
    }
    let now = arguments.at.unwrap_or_else(SystemTime::now);
    let found = explain.request_at(&captured::header_map(&request), &request.body, now);
    let authentic = found.kind() == ExplanationKind::NotRefused;
    let mut text = found.to_string();
    if found.kind() == ExplanationKind::Clock && arguments.at.is_none() {
        let age = Duration::from_secs(60);
        text.push_str(&format!(
            "\nthe request was captured earlier: --at says when it came (--at {}, say)",
            humantime::format_rfc3339_seconds(now - age)
        ));
    }
    let explained = Explained {
        authentic,
        kinds: found.kinds().into_iter().map(ExplanationKind::as_str).collect(),
        certain: found.is_certain(),
        explanation: found.to_string(),
    };
    output.print(|| text, &explained);
    Ok(authentic)
}
