#![doc = include_str!("../README.md")]

mod arguments;
mod captured;
mod check;
mod events;
mod explain;
mod failure;
mod listen;
mod output;
mod provider;
mod reconcile;
mod sandbox;
mod secrets;
mod send;
mod store;
mod time;
mod wire;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _};

use self::{
    arguments::{Arguments, Command},
    failure::Failure,
    output::Output,
    provider::Provider,
};

/// Runs the command with these arguments, the first of which is its name, and returns its exit
/// code: 0, 1 where the outcome is bad, or 2 where it could not run.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let code = tower_webhook_cli::run(["tower-webhook", "providers"]).await;
/// assert_eq!(code, 0);
/// # });
/// ```
pub async fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no mistakes.
            drop(error.print());
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    let output = if arguments.json { Output::Json } else { Output::Text };
    match dispatch(arguments.command, output).await {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(failure) => {
            match output {
                Output::Text => output::note(&output::plain_lines(&format!("tower-webhook: {failure}"))),
                Output::Json => output::json(&serde_json::json!({ "error": failure.to_string() })),
            }
            2
        }
    }
}

/// Whether the outcome is good.
async fn dispatch(command: Command, output: Output) -> Result<bool, Failure> {
    match command {
        Command::Check(arguments) => check::check(*arguments, output).await,
        Command::Send(arguments) => send::send(*arguments, output).await,
        Command::Listen(arguments) => listen::listen(*arguments, output).await,
        Command::Explain(arguments) => explain::explain(&arguments, output),
        Command::Sandbox(arguments) => sandbox::sandbox(arguments, output).await,
        Command::Reconcile(arguments) => reconcile::reconcile(*arguments, output).await,
        Command::Events(arguments) => events::events(*arguments, output).await,
        Command::Providers => {
            Provider::list(output);
            Ok(true)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tower-webhook", &mut script);
            output::line(String::from_utf8_lossy(&script).trim_end());
            Ok(true)
        }
    }
}
