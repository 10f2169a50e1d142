//! `sandbox`: the providers' side on this machine, as the sandbox's own program runs it.

use std::net::SocketAddr;

use clap::Args;
use serde_json::json;
use tower_webhook_sandbox::{Chaos, Provider, Settings};

use crate::{
    failure::Failure,
    output::{Output, json as print_json, line},
};

/// Runs webhook providers on this machine: their APIs, and deliveries to a receiver
///
/// It runs until it is stopped.
#[derive(Args, Debug)]
pub(crate) struct SandboxArgs {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    /// The URL under which others reach the sandbox, for the links in events
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// How many times faster the sandbox's time runs; at 3600 an hour takes a second
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Lets things go wrong: one in ten deliveries suffers each of duplicate, reorder, delay, drop,
    /// hang-up, resend-late and odd-form, or the shares that are given (drop=0.2,delay=0)
    #[arg(long, value_name = "SHARES", num_args = 0..=1, default_missing_value = "")]
    chaos: Option<String>,
    /// The seed of an earlier chaos, to see it again
    #[arg(long, requires = "chaos")]
    seed: Option<u64>,
}

pub(crate) async fn sandbox(arguments: SandboxArgs, output: Output) -> Result<bool, Failure> {
    let mut settings = Settings::new()
        .listen(arguments.listen)
        .speed(arguments.speed)
        .on_attempt(move |attempt| output.print(|| attempt.to_string(), &json!({ "attempt": attempt.to_string() })));
    if let Some(url) = arguments.public_url {
        settings = settings.public_url(url);
    }
    if let Some(shares) = arguments.chaos {
        let chaos = arguments.seed.map_or_else(Chaos::new, Chaos::with_seed);
        let given = shares.split(',').filter(|share| !share.is_empty());
        let chaos = given.into_iter().try_fold(chaos, with_share)?;
        let seed = chaos.seed();
        output.print(|| format!("chaos with --seed {seed}"), &json!({ "seed": seed }));
        settings = settings.chaos(chaos);
    }
    let sandbox = settings
        .start()
        .await
        .map_err(|error| Failure::caused_by("the sandbox cannot start", &error))?;
    let urls = Provider::ALL
        .iter()
        .map(|provider| (provider.to_string(), sandbox.url(*provider)));
    let urls: serde_json::Map<_, _> = urls.map(|(name, url)| (name, json!(url))).collect();
    match output {
        Output::Json => print_json(&json!({ "base": sandbox.base_url(), "providers": urls })),
        Output::Text => {
            for (name, url) in &urls {
                line(&format!("{name}: {}", url.as_str().unwrap_or_default()));
            }
            line(&format!(
                "fire events: POST {}/sandbox/PROVIDER/events",
                sandbox.base_url()
            ));
        }
    }
    drop(tokio::signal::ctrl_c().await);
    Ok(true)
}

/// `drop=0.2`
fn with_share(chaos: Chaos, share: &str) -> Result<Chaos, Failure> {
    let parsed = share
        .split_once('=')
        .and_then(|(name, rate)| chaos.with_rate(name.trim(), rate.trim().parse().ok()?));
    parsed.ok_or_else(|| {
        Failure::usage(format!(
            "the share of chaos is {share}; expected NAME=SHARE with one of {} and a number from 0 to 1",
            Chaos::NAMES.join(", ")
        ))
    })
}
