//! The sources of secrets. None is printed, here or anywhere.

use std::{env, fmt, fs, path::PathBuf};

use clap::Args;

use crate::failure::Failure;

/// How a command is given secrets.
#[derive(Args, Clone)]
pub(crate) struct SecretArgs {
    /// A secret; the first one signs. Other users of this machine may see arguments: prefer
    /// --secret-env or --secret-file
    #[arg(long = "secret", value_name = "SECRET")]
    given: Vec<String>,
    /// An environment variable with a secret [default: WEBHOOK_SECRET_<PROVIDER>, else
    /// WEBHOOK_SECRET]
    #[arg(long = "secret-env", value_name = "NAME")]
    variables: Vec<String>,
    /// A file with a secret; one line break at its end is not part of it
    #[arg(long = "secret-file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl fmt::Debug for SecretArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretArgs")
            .field("given", &self.given.len())
            .field("variables", &self.variables)
            .field("files", &self.files)
            .finish()
    }
}

impl SecretArgs {
    /// The secrets: those of arguments, of variables, and of files. None is a failure.
    pub(crate) fn read(&self, provider: &str) -> Result<Vec<String>, Failure> {
        let found = self.read_if_any(provider)?;
        if found.is_empty() {
            let own = variable_of(provider);
            return Err(Failure::usage(format!(
                "the secret is missing; expected what the receiver has: set {own} or WEBHOOK_SECRET, or give \
                 --secret-file, --secret-env or --secret"
            )));
        }
        Ok(found)
    }

    pub(crate) fn read_if_any(&self, provider: &str) -> Result<Vec<String>, Failure> {
        let mut found = self.given.clone();
        for name in &self.variables {
            let value = env::var(name).map_err(|_| {
                Failure::usage(format!(
                    "--secret-env is {name}, which is not set or no UTF-8; expected a variable with the secret in it"
                ))
            })?;
            found.push(value);
        }
        for path in &self.files {
            let text = fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!(
                    "--secret-file is {}: {error}; expected a file with the secret in it",
                    path.display()
                ))
            })?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            found.push(line.strip_suffix('\r').unwrap_or(line).to_owned());
        }
        if found.is_empty() {
            let usual = [variable_of(provider), "WEBHOOK_SECRET".to_owned()];
            found.extend(usual.iter().find_map(|name| env::var(name).ok()));
        }
        Ok(found)
    }
}

fn variable_of(provider: &str) -> String {
    format!("WEBHOOK_SECRET_{}", provider.to_uppercase().replace('-', "_"))
}
