//! Webhooks of a platform's customers, each with secrets of its own in SQLite: Stripe names the
//! tenant in the path, GitHub in a header, and the provider that `custom` describes in the body.
//!
//! ```sh
//! cargo run --example tenants
//! ```

use std::time::Duration;

use axum::{Router, body::Body};
use http::{HeaderName, Request};
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};
use tower::ServiceExt as _;
use tower_webhook::{
    MemoryStore, Provider as _, TopicRouter, WebhookLayer,
    custom::{self, Custom, FieldPath},
    event::{Event, Tenant},
    github::{self, GitHub},
    provider::{
        DeliveryPolicy,
        tenant::{BoxError, TenantOf, TenantSecrets},
    },
    signature::{Algorithm, Encoding, Scheme, Secrets},
    stripe::{self, Stripe},
};

/// Where the secrets are: a row for each tenant and provider.
struct Table {
    db: SqlitePool,
    provider: &'static str,
}

impl TenantSecrets for Table {
    async fn secrets(&self, tenant: &Tenant) -> Result<Option<Secrets>, BoxError> {
        let query = "SELECT secret FROM secrets WHERE tenant = ? AND provider = ?";
        let secret: Option<String> = sqlx::query_scalar(query)
            .bind(tenant.as_str())
            .bind(self.provider)
            .fetch_optional(&self.db)
            .await?;
        Ok(secret.map(Secrets::new).transpose()?)
    }
}

async fn handle<E: Event>(tenant: Tenant, event: E) {
    println!("{tenant}: {}", event.topic());
}

fn example_scheme() -> Scheme {
    let header = HeaderName::from_static("x-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
}

fn app(db: SqlitePool) -> Result<Router, BoxError> {
    let store = MemoryStore::new();
    let secrets = |provider| Table {
        db: db.clone(),
        provider,
    };
    let by_path = Stripe::reader().per_tenant(TenantOf::last_path_segment(), secrets("stripe"))?;
    let by_header = TenantOf::header(HeaderName::from_static("x-tenant"));
    let by_header = GitHub::reader().per_tenant(by_header, secrets("github"))?;
    let policy = DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(8 * 3600));
    let by_body = Custom::builder("example", example_scheme())
        .id(FieldPath::body("id"))
        .topic(FieldPath::body("type"))
        .policy(policy)
        .build_reader()?
        .per_tenant(TenantOf::body_field("account", 64 * 1024), secrets("example"))?;
    let stripe = WebhookLayer::new(by_path, store.clone())
        .topics(TopicRouter::new().on("invoice.paid", handle::<stripe::Event>));
    let github =
        WebhookLayer::new(by_header, store.clone()).topics(TopicRouter::new().on("push", handle::<github::Event>));
    let example =
        WebhookLayer::new(by_body, store).topics(TopicRouter::new().on("user.created", handle::<custom::Event>));
    Ok(Router::new()
        .route_service("/webhooks/stripe/{tenant}", stripe)
        .route_service("/webhooks/github", github)
        .route_service("/webhooks/example", example))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // One connection: each would have a database in memory of its own.
    let db = SqlitePoolOptions::new()
        .max_connections(1)
        .connect("sqlite::memory:")
        .await?;
    sqlx::query("CREATE TABLE secrets (tenant TEXT, provider TEXT, secret TEXT, PRIMARY KEY (tenant, provider))")
        .execute(&db)
        .await?;
    for (tenant, provider) in [
        ("acme", "stripe"),
        ("acme", "github"),
        ("umbrella", "stripe"),
        ("umbrella", "example"),
    ] {
        sqlx::query("INSERT INTO secrets VALUES (?, ?, ?)")
            .bind(tenant)
            .bind(provider)
            .bind(format!("the secret of {tenant} at {provider}"))
            .execute(&db)
            .await?;
    }
    let app = app(db)?;

    // What the providers would send; in the end a tenant that is not theirs, and one that signs for
    // another.
    let invoice = r#"{"id":"evt_1","type":"invoice.paid","created":1767225600}"#;
    let user = r#"{"id":"1","type":"user.created","account":"umbrella"}"#;
    let sent = [
        ("/webhooks/stripe/acme", "acme", "stripe", invoice),
        ("/webhooks/stripe/umbrella", "umbrella", "stripe", invoice),
        ("/webhooks/stripe/acme", "acme", "stripe", invoice),
        ("/webhooks/github", "acme", "github", "{}"),
        ("/webhooks/example", "umbrella", "example", user),
        ("/webhooks/github", "umbrella", "github", "{}"),
        ("/webhooks/stripe/acme", "umbrella", "stripe", invoice),
    ];
    for (path, tenant, provider, body) in sent {
        let secrets = Secrets::new(format!("the secret of {tenant} at {provider}"))?;
        let scheme = match provider {
            "stripe" => stripe::scheme(),
            "github" => github::scheme(),
            _ => example_scheme(),
        };
        let mut request = Request::post(path)
            .header("x-tenant", tenant)
            .header("x-github-event", "push")
            .header("x-github-delivery", "72d3162e")
            .body(Body::from(body))?;
        request.headers_mut().extend(scheme.sign(&secrets, body.as_bytes())?);
        let response = app.clone().oneshot(request).await?;
        println!("responded {}", response.status());
    }
    Ok(())
}
