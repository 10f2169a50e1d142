//! `reconcile`: what a provider recorded, beside what a store knows.

mod compare;
mod report;
mod until;
mod undelivered;
mod tenant_keys;

use std::{collections::BTreeSet, fmt, time::SystemTime};

use clap::{Args, ValueEnum};
use tower_webhook::{
    dwolla::Dwolla,
    event::Tenant,
    github::GitHub,
    signature::{SecretError, Secrets},
    stripe::Stripe,
};
use tower_webhook_reconcile::{
    Error, Options,
    dwolla::{self, DwollaApi},
    github::{self, GitHubApi, Hook},
    reconciler::{Source, Window},
    stripe::{self, StripeApi},
};

use self::{compare::Comparison, tenant_keys::Providers};
use crate::{failure::Failure, output::Output, secrets::SecretArgs, store, time};

/// Compares what a provider recorded with what a store knows, and says which events are missing
///
/// By itself it changes nothing. What is missing can be asked for again (--redeliver), or put into
/// an inbox, whose worker handles it (--deposit). What the provider recorded as delivered is
/// missing only with --topic: a receiver responds 200 to topics that nobody handles, and stores
/// nothing. Exit code: 0 if nothing is missing, 1 if something is, also if it was asked for; 2 if
/// they could not be compared.
#[derive(Args)]
pub(crate) struct ReconcileArgs {
    /// The provider whose records are compared
    #[arg(long, short, value_enum)]
    provider: Provider,
    /// The URL of the provider's API [default: the provider's own]
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// Dwolla: the application's client id
    #[arg(long, env = "DWOLLA_CLIENT_ID", value_name = "ID")]
    client_id: Option<String>,
    /// Dwolla: the application's secret. Other users of this machine may see arguments: prefer the
    /// environment variable, as with --token
    #[arg(long, env = "DWOLLA_CLIENT_SECRET", hide_env_values = true, value_name = "SECRET")]
    client_secret: Option<String>,
    /// Dwolla: the webhook subscription
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// GitHub: the hook, as OWNER/REPOSITORY/ID, ORGANISATION/ID, or app
    #[arg(long, value_name = "HOOK")]
    hook: Option<String>,
    /// GitHub's token, or Stripe's secret key [default: GITHUB_TOKEN, or STRIPE_API_KEY]
    #[arg(long)]
    token: Option<String>,
    /// Stripe: the connected account
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// The store: sqlite:<path>, postgres://… or redis://… It may hold a password: prefer the
    /// environment variable STORE to the argument
    #[arg(long, env = "STORE", hide_env_values = true, value_name = "URL")]
    store: Option<String>,
    /// Which events of the store [default: the provider's name]
    #[arg(long, short)]
    namespace: Option<String>,
    /// Whose events they are, where the receiver's layer has tenants: looked up, and deposited,
    /// among this tenant's alone
    #[arg(long, value_name = "NAME")]
    tenant: Option<Tenant>,
    /// What was recorded since: a time in RFC 3339, a day, or an age (3h) [default: all that the
    /// provider keeps]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    since: Option<SystemTime>,
    /// What was recorded before: a time in RFC 3339, a day, or an age (3h) [default: now, by the
    /// later of the provider's clock and this machine's]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    until: Option<SystemTime>,
    /// Of this topic alone, as the receiver's handlers name it: `issues` is also `issues.opened`.
    /// May be given several times [default: all topics]
    #[arg(long = "topic", value_name = "TOPIC", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    topics: Vec<String>,
    /// Asks the provider to send what is missing again
    #[arg(long, conflicts_with = "deposit", group = "remedy")]
    redeliver: bool,
    /// Does not ask whether it may
    #[arg(long, requires = "redeliver")]
    yes: bool,
    /// Puts what is missing into the store's inbox
    #[arg(long, group = "remedy")]
    deposit: bool,
    /// Also what the provider recorded as delivered, and the store does not know. An event that was
    /// handled, and whose record has expired, runs a second time
    #[arg(long, requires = "remedy")]
    also_delivered: bool,
    #[command(flatten)]
    secrets: SecretArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Provider {
    Dwolla,
    Github,
    Stripe,
}

/// The remedy for missing items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    None,
    Redeliver { confirmed: bool },
    Deposit,
}

/// Without credentials, and without the store's URL, which may hold a password.
impl fmt::Debug for ReconcileArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconcileArgs")
            .field("provider", &self.provider)
            .field("namespace", &self.namespace)
            .field("tenant", &self.tenant)
            .field("topics", &self.topics)
            .field("since", &self.since)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl Provider {
    fn name(self) -> &'static str {
        match self {
            Self::Dwolla => "dwolla",
            Self::Github => "github",
            Self::Stripe => "stripe",
        }
    }
}

/// Whether nothing is missing.
pub(crate) async fn reconcile(arguments: ReconcileArgs, output: Output) -> Result<bool, Failure> {
    let name = arguments.provider.name();
    let url = store::url(arguments.store.clone())?;
    let remedy = match (arguments.redeliver, arguments.deposit) {
        (true, _) => Remedy::Redeliver {
            confirmed: arguments.yes,
        },
        (_, true) => Remedy::Deposit,
        _ => Remedy::None,
    };
    if remedy == Remedy::Deposit {
        store::refuse_records(&url, "--deposit")?;
    }
    // Where nothing is handed in, nothing is verified.
    let secrets = match (remedy, arguments.provider) {
        (Remedy::Deposit, Provider::Github) => arguments.secrets.read(name)?,
        (Remedy::Deposit, _) => arguments.secrets.read_if_any(name)?,
        _ => Vec::new(),
    };
    let unusable = |error: SecretError| Failure::usage(format!("the secret is unusable: {error}"));
    let secrets = match secrets.is_empty() {
        true => None,
        false => Some(Secrets::several(secrets).map_err(unusable)?),
    };
    let api = |error: Error| Failure::caused_by("the provider's API cannot be used", &error);
    let base = |otherwise: &'static str| arguments.api.as_deref().unwrap_or(otherwise);
    match arguments.provider {
        Provider::Dwolla => {
            let id = needed(
                &arguments.client_id,
                "--client-id",
                "the application's, here or in DWOLLA_CLIENT_ID",
            )?;
            let secret = "the application's, here or in DWOLLA_CLIENT_SECRET";
            let secret = needed(&arguments.client_secret, "--client-secret", secret)?;
            let client = DwollaApi::with_options(base(dwolla::PRODUCTION), id, secret, Options::new()).map_err(api)?;
            let subscription = needed(
                &arguments.subscription,
                "--subscription",
                "the id of the webhook subscription",
            )?;
            let keyed = secrets.clone().map_or_else(|| Ok(Dwolla::reader()), Dwolla::new);
            let providers = Providers::new(keyed.map_err(unusable)?, Dwolla::reader(), secrets);
            let source = client.webhooks(subscription);
            let comparison = arguments.comparison(source, providers, remedy, &url).await?;
            comparison.run(output).await
        }
        Provider::Github => {
            let client = GitHubApi::with_options(
                base(github::GITHUB_COM),
                &arguments.token("GITHUB_TOKEN")?,
                Options::new(),
            );
            let source = client.map_err(api)?.deliveries(arguments.hook()?);
            let keyed = secrets.clone().map_or_else(|| Ok(GitHub::reader()), GitHub::new);
            let providers = Providers::new(keyed.map_err(unusable)?, GitHub::reader(), secrets);
            let comparison = arguments.comparison(source, providers, remedy, &url).await?;
            comparison.run(output).await
        }
        Provider::Stripe => {
            let client = StripeApi::with_options(
                base(stripe::STRIPE_COM),
                &arguments.token("STRIPE_API_KEY")?,
                Options::new(),
            );
            let mut client = client.map_err(api)?;
            if let Some(account) = &arguments.account {
                client = client.on_behalf_of(account).map_err(api)?;
            }
            let keyed = secrets.clone().map_or_else(|| Ok(Stripe::reader()), Stripe::new);
            let providers = Providers::new(keyed.map_err(unusable)?, Stripe::reader(), secrets);
            let comparison = arguments.comparison(client.events(), providers, remedy, &url).await?;
            comparison.run(output).await
        }
    }
}

impl ReconcileArgs {
    async fn comparison<S: Source, P>(
        &self,
        source: S,
        providers: Providers<P>,
        remedy: Remedy,
        url: &str,
    ) -> Result<Comparison<S, P>, Failure> {
        let opened = store::open(url).await?;
        let (until, now) = match self.until {
            Some(until) => (until, SystemTime::now()),
            None => {
                let now = until::now(&source).await?;
                (now, now)
            }
        };
        let all = now.checked_sub(source.retention()).unwrap_or(SystemTime::UNIX_EPOCH);
        let since = self.since.unwrap_or(all);
        if since >= until {
            return Err(Failure::usage(format!(
                "--since is {} and --until {}; expected --since to be earlier",
                time::write(since),
                time::write(until)
            )));
        }
        Ok(Comparison {
            opened,
            source,
            providers,
            tenant: self.tenant.clone(),
            namespace: self
                .namespace
                .clone()
                .unwrap_or_else(|| self.provider.name().to_owned()),
            window: Window::new(since, until),
            topics: BTreeSet::from_iter(self.topics.clone()),
            also_delivered: self.also_delivered,
            remedy,
        })
    }

    fn token(&self, variable: &str) -> Result<String, Failure> {
        let found = self.token.clone().or_else(|| std::env::var(variable).ok());
        found.ok_or_else(|| {
            Failure::usage(format!(
                "--token is missing; expected one that may read deliveries, here or in {variable}"
            ))
        })
    }

    /// `octocat/hello/42`, `octo-org/42`, `app`
    fn hook(&self) -> Result<Hook, Failure> {
        let text = needed(&self.hook, "--hook", "OWNER/REPOSITORY/ID, ORGANISATION/ID, or app")?;
        let parts: Vec<&str> = text.split('/').collect();
        let id = |id: &str| id.parse::<u64>().ok();
        let hook = match parts[..] {
            ["app"] => Some(Hook::app()),
            [organisation, number] => id(number).map(|id| Hook::organization(organisation, id)),
            [owner, repository, number] => id(number).map(|id| Hook::repository(owner, repository, id)),
            _ => None,
        };
        hook.ok_or_else(|| {
            Failure::usage(format!(
                "--hook is {text}; expected OWNER/REPOSITORY/ID, ORGANISATION/ID, or app"
            ))
        })
    }
}

fn needed<'a>(value: &'a Option<String>, name: &str, expected: &str) -> Result<&'a str, Failure> {
    let missing = || Failure::usage(format!("{name} is missing; expected {expected}"));
    value.as_deref().filter(|value| !value.is_empty()).ok_or_else(missing)
}
