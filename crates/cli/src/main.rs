//! The command `tower-webhook`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ExitCode::from(tower_webhook_cli::run(std::env::args_os()).await)
}
