//! `sandbox`: the providers' side on this machine, as the sandbox's own program runs it.

use clap::Args;
use serde_json::json;
use tower_webhook_sandbox::{Arguments, Provider};

use crate::{
    failure::Failure,
    output::{Output, json as print_json, line},
};

/// Runs webhook providers on this machine: their APIs, and deliveries to a receiver
///
/// It runs until it is stopped.
#[derive(Args, Debug)]
pub(crate) struct SandboxArgs {
    #[command(flatten)]
    sandbox: Arguments,
}

pub(crate) async fn sandbox(arguments: SandboxArgs, output: Output) -> Result<bool, Failure> {
    let (settings, seed) = arguments
        .sandbox
        .into_settings()
        .map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(seed) = seed {
        output.print(|| format!("chaos with --seed {seed}"), &json!({ "seed": seed }));
    }
    let sandbox = settings
        .on_attempt(move |attempt| output.print(|| attempt.to_string(), &json!({ "attempt": attempt.to_string() })))
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
    let stopped = sandbox.stop().await;
    stopped.map_err(|error| Failure::caused_by("the sandbox", &error))?;
    Ok(true)
}
