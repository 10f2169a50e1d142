//! `check`: what a receiver of any language does with hostile and with merely odd deliveries.

mod case;
mod cases;
mod count;
mod judge;
mod report;
mod run;
mod timing;

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::{
    case::Maker,
    count::Counter,
    judge::Outcome,
    report::Report,
    run::{Pace, Runner},
};
use crate::{
    failure::Failure,
    output::{Output, is_confirmed, is_watched, note},
    provider::{DescriptionArgs, Signer},
    secrets::SecretArgs,
    wire::{RootArgs, Target},
};

/// Sends a receiver some hundred deliveries, forged, stale, doubled, odd and hostile, and says what
/// it does wrong
///
/// The receiver may be written in any language. Exit code: 0 if all cases pass, 1 if one fails, 2
/// if the check could not run.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The receiver's URL, with its webhook's path, http or https
    url: String,
    /// The provider to sign as; see `tower-webhook providers`
    #[arg(long, short)]
    provider: String,
    #[command(flatten)]
    roots: RootArgs,
    #[command(flatten)]
    description: DescriptionArgs,
    #[command(flatten)]
    secrets: SecretArgs,
    /// A topic that the receiver handles [default: one that is usual for the provider]
    #[arg(long)]
    topic: Option<String>,
    /// The URL that the receiver believes it has, for providers that sign it (Square)
    /// [default: URL]
    #[arg(long, value_name = "URL")]
    signed_url: Option<String>,
    /// A URL that says how often handlers have run: a number, or `count` in JSON
    #[arg(long, value_name = "URL", conflicts_with = "count_listen")]
    count_url: Option<String>,
    /// An address to listen on: the receiver sends a request there for each run
    #[arg(long, value_name = "ADDRESS")]
    count_listen: Option<SocketAddr>,
    /// Requests per second, at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// How many seconds a response may take
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// Only the cases whose name holds this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Ends at the first case that fails
    #[arg(long)]
    fail_fast: bool,
    /// Also shows the cases that pass
    #[arg(long)]
    all: bool,
    /// Also writes a report as JUnit does
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Confirms that a receiver on another machine may be sent hostile requests
    #[arg(long)]
    yes: bool,
}

/// Whether all cases passed.
pub(crate) async fn check(arguments: CheckArgs, output: Output) -> Result<bool, Failure> {
    let target = arguments.roots.of(Target::parse("URL", &arguments.url)?)?;
    confirm(&target, arguments.yes)?;
    let provider = arguments.description.provider(&arguments.provider)?;
    let url = arguments.signed_url.as_deref().unwrap_or(&arguments.url);
    let secrets = arguments.secrets.read(provider.name)?;
    let mut signers = Vec::new();
    for secret in &secrets {
        signers.push(Signer::new(provider, url, secret)?);
    }
    let others = signers.split_off(1);
    let Some(signer) = signers.pop() else {
        return Err(Failure::usage("the secret is missing"));
    };
    let counter = match (&arguments.count_url, arguments.count_listen) {
        (Some(url), _) => {
            let target = arguments.roots.of(Target::parse("--count-url", url)?)?;
            Some(Counter::Url(target))
        }
        (None, Some(address)) => {
            let (counter, address) = Counter::listen(address).await?;
            note(&format!("counting requests to http://{address}/"));
            Some(counter)
        }
        (None, None) => None,
    };
    let cases = cases::all(&signer, others.len());
    let cases: Vec<_> = cases
        .into_iter()
        .filter(|case| {
            arguments
                .only
                .as_ref()
                .is_none_or(|text| case.name.contains(text.as_str()))
        })
        .collect();
    if cases.is_empty() {
        let text = arguments.only.unwrap_or_default();
        return Err(Failure::usage(format!(
            "--only is {text}, which no case's name holds; expected a part of a name: see --all"
        )));
    }
    let topic = arguments.topic.unwrap_or_else(|| provider.usual_topic.to_owned());
    let is_counted = counter.is_some();
    let runner = Runner {
        maker: Maker {
            signer,
            others,
            target,
            topic,
        },
        counter,
        pace: Pace::per_second(arguments.rate),
        limit: Duration::from_secs(arguments.timeout),
    };

    let began = Instant::now();
    runner.is_ready().await?;
    let progress = progress(cases.len());
    let (mut findings, mut first, mut is_gone) = (Vec::new(), None, false);
    for case in &cases {
        progress.set_message(case.name.clone());
        let (finding, is_there) = runner.run(case).await?;
        progress.inc(1);
        let fails = finding.outcome != Outcome::Passes;
        if fails {
            first = first.or_else(|| Some(began.elapsed()));
            progress.println(format!("{}: {}", finding.outcome, finding.name));
        }
        findings.push(finding);
        is_gone = !is_there;
        if is_gone || fails && arguments.fail_fast {
            break;
        }
    }
    progress.finish_and_clear();
    if is_gone {
        note("the receiver is gone: the cases that follow were not tried");
    }
    let report = Report::new(
        arguments.url,
        provider.name,
        is_counted,
        findings,
        first,
        began.elapsed(),
    );
    if let Some(path) = arguments.junit {
        fs::write(&path, report.junit()).map_err(|error| {
            let tried = format!("--junit is {}, which cannot be written", path.display());
            Failure::caused_by(tried, &error)
        })?;
    }
    output.print(|| report.text(arguments.all, None), &report);
    Ok(report.failed == 0)
}

/// Only who owns a receiver may have it attacked. Another machine's is confirmed.
fn confirm(target: &Target, yes: bool) -> Result<(), Failure> {
    if target.is_local() || yes {
        return Ok(());
    }
    let refuse = || {
        Failure::usage(format!(
            "{} is another machine; expected your own receiver, or --yes: hostile requests are sent to it",
            target.authority
        ))
    };
    let question = format!(
        "{} is another machine. Some hundred hostile requests will be sent to it. Is it yours, and may they?",
        target.authority
    );
    if is_confirmed(&question) { Ok(()) } else { Err(refuse()) }
}

/// Shown on a terminal alone.
fn progress(cases: usize) -> ProgressBar {
    let bar = match is_watched() {
        true => ProgressBar::new(u64::try_from(cases).unwrap_or_default()),
        false => ProgressBar::hidden(),
    };
    let style = ProgressStyle::with_template("{pos}/{len} {bar:30} {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
