//! The program's command line. `tower-webhook sandbox` takes the same.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use crate::{Chaos, Error, ErrorKind, Settings};

/// The command line of a program that runs a sandbox, to be flattened into its own.
///
/// ```
/// use clap::Parser;
/// use tower_webhook_sandbox::Arguments;
///
/// #[derive(Parser)]
/// struct Cli {
///     #[command(flatten)]
///     sandbox: Arguments,
/// }
///
/// let cli = Cli::parse_from(["demo", "--speed", "3600", "--chaos", "drop=0.2", "--seed", "7"]);
/// let (settings, seed) = cli.sandbox.into_settings()?;
/// assert_eq!(seed, Some(7));
/// # Ok::<(), tower_webhook_sandbox::Error>(())
/// ```
#[derive(Args, Debug)]
pub struct Arguments {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    /// The URL under which others reach the sandbox, for the links in events
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// A SQLite file that keeps everything, secrets too: a sandbox that is started with it again
    /// goes on where the one before has ended
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
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

impl Arguments {
    /// The settings that they stand for, and the seed where there is to be chaos: print it, so that
    /// the chaos can be seen again.
    ///
    /// # Errors
    /// A share of chaos has another name, or is no number from 0 to 1.
    pub fn into_settings(self) -> Result<(Settings, Option<u64>), Error> {
        let mut settings = Settings::new().listen(self.listen).speed(self.speed);
        if let Some(url) = self.public_url {
            settings = settings.public_url(url);
        }
        if let Some(file) = self.state {
            settings = settings.state(file);
        }
        let Some(shares) = self.chaos else {
            return Ok((settings, None));
        };
        let chaos = self.seed.map_or_else(Chaos::new, Chaos::with_seed);
        let chaos = shares
            .split(',')
            .filter(|share| !share.is_empty())
            .try_fold(chaos, with_share)?;
        let seed = chaos.seed();
        Ok((settings.chaos(chaos), Some(seed)))
    }
}

/// `drop=0.2`
fn with_share(chaos: Chaos, share: &str) -> Result<Chaos, Error> {
    let parsed = share
        .split_once('=')
        .and_then(|(name, rate)| chaos.with_rate(name.trim(), rate.trim().parse().ok()?));
    parsed.ok_or_else(|| {
        Error::new(
            ErrorKind::Settings,
            format!(
                "the share of chaos is {share}; expected NAME=SHARE with one of {} and a number from 0 to 1",
                Chaos::NAMES.join(", ")
            ),
        )
    })
}
