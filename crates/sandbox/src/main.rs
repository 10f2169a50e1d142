//! The command: a sandbox that runs until it is stopped.

use std::{fmt, io::Write as _, net::SocketAddr, process::ExitCode};

use clap::Parser;
use tower_webhook_sandbox::{Chaos, Provider, Settings};

/// Webhook providers on your own machine: their APIs, and deliveries to your receiver.
#[derive(Parser)]
#[command(version)]
struct Arguments {
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

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
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
    let mut settings = Settings::new()
        .listen(arguments.listen)
        .speed(arguments.speed)
        .on_attempt(|attempt| say(attempt));
    if let Some(url) = arguments.public_url {
        settings = settings.public_url(url);
    }
    if let Some(shares) = arguments.chaos {
        let chaos = arguments.seed.map_or_else(Chaos::new, Chaos::with_seed);
        let chaos = shares
            .split(',')
            .filter(|share| !share.is_empty())
            .try_fold(chaos, with_share)?;
        say(format_args!("chaos with --seed {}", chaos.seed()));
        settings = settings.chaos(chaos);
    }
    let sandbox = settings.start().await?;
    for provider in Provider::ALL {
        say(format_args!("{provider}: {}", sandbox.url(*provider)));
    }
    say(format_args!(
        "fire events: POST {}/sandbox/PROVIDER/events",
        sandbox.base_url()
    ));
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// A line on standard output, which somebody may have closed: `| head`. The sandbox goes on.
fn say(line: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// `drop=0.2`
fn with_share(chaos: Chaos, share: &str) -> Result<Chaos, String> {
    let parsed = share
        .split_once('=')
        .and_then(|(name, rate)| chaos.clone().with_rate(name.trim(), rate.trim().parse().ok()?));
    parsed.ok_or_else(|| {
        format!(
            "the share of chaos is {share}; expected NAME=SHARE with one of {} and a number from 0 to 1",
            Chaos::NAMES.join(", ")
        )
    })
}
