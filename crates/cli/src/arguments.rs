use clap::{Parser, Subcommand};

use crate::{
    check::CheckArgs, events::EventsArgs, explain::ExplainArgs, listen::ListenArgs, reconcile::ReconcileArgs,
    sandbox::SandboxArgs, send::SendArgs,
};

/// Checks receivers of webhooks, sends them deliveries, and operates what they have stored
///
/// Exit codes: 0 success; 1 the command ran, and the outcome is bad (a case fails, a delivery is
/// refused, nothing is found); 2 it could not run.
#[derive(Debug, Parser)]
#[command(name = "tower-webhook", version)]
pub(crate) struct Arguments {
    /// Prints JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(Box<CheckArgs>),
    Send(Box<SendArgs>),
    Listen(Box<ListenArgs>),
    Explain(Box<ExplainArgs>),
    Sandbox(SandboxArgs),
    Events(Box<EventsArgs>),
    Reconcile(Box<ReconcileArgs>),
    /// Lists the providers, and a topic of each
    Providers,
    /// Prints a script that completes this command's arguments in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}
