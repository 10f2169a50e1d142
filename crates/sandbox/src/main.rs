//! The command: a sandbox that runs until it is stopped.

use std::{fmt, io::Write as _, process::ExitCode};

use clap::Parser;
use tower_webhook_sandbox::{Arguments, Provider};

/// Webhook providers on your own machine: their APIs, and deliveries to your receiver.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tower-webhook-sandbox: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let (settings, seed) = arguments.into_settings()?;
    if let Some(seed) = seed {
        say(format_args!("chaos with --seed {seed}"));
    }
    let sandbox = settings.on_attempt(|attempt| say(attempt)).start().await?;
    for provider in Provider::ALL {
        say(format_args!("{provider}: {}", sandbox.url(*provider)));
    }
    say(format_args!(
        "fire events: POST {}/sandbox/PROVIDER/events",
        sandbox.base_url()
    ));
    tokio::signal::ctrl_c().await?;
    sandbox.stop().await?;
    Ok(())
}

/// A line on standard output, which somebody may have closed: `| head`. The sandbox goes on.
fn say(line: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
