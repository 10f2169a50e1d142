//! Cases of a single provider: handshakes, forms, older and newer kinds of events.

use serde_json::json;

use super::super::case::{Action, Case, Expected, Maker, Sent, one, refused, several, with_field};
use crate::{
    failure::Failure,
    provider::{Provider, fresh_id},
    wire::Request,
};

pub(super) fn cases(provider: &'static Provider) -> Vec<Case> {
    match provider.name {
        "dwolla" => dwolla(),
        "github" => github(),
        "slack" => slack(),
        "zoom" => zoom(),
        "stripe" => stripe(),
        "linear" => linear(),
        "shopify" => shopify(),
        "standard-webhooks" | "svix" => standard(provider),
        _ => Vec::new(),
    }
}

/// A signed form of one field.
fn form(maker: &Maker, fields: &[(&str, &str)]) -> Result<Request, Failure> {
    let encode = |text: &str| {
        let bytes = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            b' ' => "+".to_owned(),
            byte => format!("%{byte:02X}"),
        });
        bytes.collect::<String>()
    };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    let mut request = maker
        .signer
        .request_with(&maker.event(), pairs.join("&").into_bytes().into())?;
    request.set("content-type", "application/x-www-form-urlencoded");
    Ok(request)
}

/// A signed body of this JSON.
fn body(maker: &Maker, body: &serde_json::Value) -> Result<Request, Failure> {
    let body = body.to_string().into_bytes();
    maker.signer.request_with(&maker.event(), body.into())
}

fn dwolla() -> Vec<Case> {
    let change =
        |name: &'static str, why: &'static str, change: fn(&mut serde_json::Map<String, serde_json::Value>)| {
            one(name, Expected::Handled(1), why, move |maker| {
                maker.with_body(|body| {
                    let mut event: serde_json::Map<_, _> = serde_json::from_str(body).unwrap_or_default();
                    change(&mut event);
                    serde_json::Value::Object(event).to_string()
                })
            })
        };
    vec![
        change(
            "links that are texts",
            "Dwolla's older captures have them so",
            |event| {
                event.insert(
                    "_links".to_owned(),
                    json!({"self": "https://api-sandbox.dwolla.com/events/1"}),
                );
            },
        ),
        change("timestamp instead of created", "as Dwolla's guide shows it", |event| {
            if let Some(created) = event.remove("created") {
                event.insert("timestamp".to_owned(), created);
            }
        }),
        change(
            "no links",
            "an event is its id and its topic; all else can be fetched",
            |event| {
                event.remove("_links");
            },
        ),
    ]
}

fn github() -> Vec<Case> {
    let named = |maker: &Maker, name: &str| -> Result<Request, Failure> {
        let mut request = maker.usual()?;
        request.set("x-github-event", name);
        Ok(request)
    };
    vec![
        one(
            "payload= in a form",
            Expected::Handled(1),
            "the content type that GitHub's settings page has by default; the signature is over the form",
            |maker| {
                let event = maker.event();
                let payload = maker.body_of(&event)?;
                form(maker, &[("payload", &payload)])
            },
        ),
        one(
            "a ping",
            Expected::Acknowledged,
            "GitHub sends it when the webhook is made, and shows it as failed otherwise",
            |maker| {
                let mut request = body(maker, &json!({"zen": "Design for failure.", "hook_id": 1}))?;
                request.set("x-github-event", "ping");
                Ok(request)
            },
        ),
        refused(
            "a ping without a signature",
            "a handshake that is taken before the check is a way around it",
            move |maker| {
                let mut request = named(maker, "ping")?;
                request.remove(maker.signer.header());
                Ok(request)
            },
        ),
        one(
            "the legacy header beside the right one",
            Expected::Handled(1),
            "GitHub sends X-Hub-Signature with SHA-1 beside it to this day",
            |maker| {
                let mut request = maker.usual()?;
                request.append("x-hub-signature", format!("sha1={}", "0".repeat(40)));
                Ok(request)
            },
        ),
        one(
            "an event without an action",
            Expected::Acknowledged,
            "push, ping and others have none",
            |maker| {
                let mut request = body(maker, &json!({"ref": "refs/heads/main", "commits": []}))?;
                request.set("x-github-event", "push");
                Ok(request)
            },
        ),
    ]
}

/// A handshake with a challenge, and what its response must hold.
fn handshake(name: &'static str, why: &'static str, make: fn(&Maker, &str) -> (serde_json::Value, String)) -> Case {
    several(name, Expected::Echoed, why, move |maker| {
        let challenge = fresh_id().replace('-', "");
        let (text, echo) = make(maker, &challenge);
        let mut sent = Sent::from(body(maker, &text)?);
        sent.echo = Some(echo);
        Ok(Action::InTurn(vec![sent]))
    })
}

fn slack() -> Vec<Case> {
    let verification = |challenge: &str| json!({"token": "x", "challenge": challenge, "type": "url_verification"});
    vec![
        handshake(
            "url_verification",
            "Slack accepts no address that does not echo its challenge",
            |_, challenge| {
                let text = json!({"token": "x", "challenge": challenge, "type": "url_verification"});
                (text, challenge.to_owned())
            },
        ),
        refused(
            "url_verification without a signature",
            "Slack signs it as all else: a receiver that echoes it to anybody has not verified",
            move |maker| {
                let mut request = body(maker, &verification("abcdefghijkl"))?;
                request.remove(maker.signer.header());
                Ok(request)
            },
        ),
        one(
            "ssl_check",
            Expected::Acknowledged,
            "Slack checks the address of a slash command with it from time to time",
            |maker| form(maker, &[("token", "x"), ("ssl_check", "1")]),
        ),
        one(
            "an interaction, payload= in a form",
            Expected::Steady,
            "what a button sends; an app without buttons may refuse it",
            |maker| {
                let payload = json!({
                    "type": "block_actions", "trigger_id": fresh_id(), "user": {"id": "U1"}, "team": {"id": "T1"},
                    "api_app_id": "A1", "actions": [{"action_id": "ok", "block_id": "b", "type": "button"}],
                });
                form(maker, &[("payload", &payload.to_string())])
            },
        ),
        one(
            "a slash command",
            Expected::Steady,
            "form fields without payload; an app without commands may refuse it",
            |maker| {
                form(
                    maker,
                    &[("command", "/deploy"), ("text", "pump 3 & 4"), ("trigger_id", "1")],
                )
            },
        ),
        one(
            "a retry's headers",
            Expected::Handled(1),
            "X-Slack-Retry-Num is not signed and decides nothing: some receivers drop whatever has it, and lose events",
            |maker| {
                let mut request = maker.usual()?;
                request.append("x-slack-retry-num", "1");
                request.append("x-slack-retry-reason", "http_timeout");
                Ok(request)
            },
        ),
        one(
            "app_rate_limited",
            Expected::Acknowledged,
            "an event without an inner event",
            |maker| {
                body(
                    maker,
                    &json!({"type": "app_rate_limited", "team_id": "T1", "api_app_id": "A1"}),
                )
            },
        ),
    ]
}

fn zoom() -> Vec<Case> {
    let validation = |token: &str| json!({"event": "endpoint.url_validation", "payload": {"plainToken": token}});
    vec![
        handshake(
            "endpoint.url_validation",
            "Zoom validates the address when it is entered and every 72 hours, and disables it otherwise",
            |maker, token| {
                let text = json!({"event": "endpoint.url_validation", "payload": {"plainToken": token}, "event_ts": 1});
                (text, hex::encode(maker.signer.mac_of(token.as_bytes())))
            },
        ),
        refused(
            "endpoint.url_validation without a signature",
            "a receiver that signs what anybody sends is an oracle for the secret",
            move |maker| {
                let mut request = body(maker, &validation("abcdefghijklmnopqrstuv"))?;
                request.remove(maker.signer.header());
                Ok(request)
            },
        ),
        one(
            "app_deauthorized",
            Expected::Acknowledged,
            "its payload has no object",
            |maker| {
                body(
                    maker,
                    &json!({"event": "app_deauthorized", "payload": {"account_id": "a1"}, "event_ts": 1}),
                )
            },
        ),
    ]
}

fn stripe() -> Vec<Case> {
    vec![
        one(
            "an event of a connected account",
            Expected::Handled(1),
            "Connect adds `account`",
            |maker| maker.with_body(|body| with_field(body, r#""account":"acct_1""#)),
        ),
        one(
            "a thin event",
            Expected::Steady,
            "v2 events have no data.object; an endpoint gets them only if it asks for them",
            |maker| {
                let event = json!({
                    "id": format!("evt_{}", fresh_id()), "object": "v2.core.event", "type": "v1.billing.meter.error",
                    "created": "2026-07-01T12:00:00.000Z", "livemode": false,
                    "related_object": {"id": "m_1", "type": "billing.meter", "url": "/v1/billing/meters/m_1"},
                });
                body(maker, &event)
            },
        ),
    ]
}

fn linear() -> Vec<Case> {
    vec![
        one(
            "an event without createdAt",
            Expected::Handled(1),
            "Linear's notifications and sessions have none",
            |maker| {
                maker.with_body(|body| {
                    let mut event: serde_json::Map<_, _> = serde_json::from_str(body).unwrap_or_default();
                    event.remove("createdAt");
                    serde_json::Value::Object(event).to_string()
                })
            },
        ),
        refused(
            "a body without the signed time",
            "without webhookTimestamp a capture has no age",
            |maker| {
                maker.with_body(|body| {
                    let mut event: serde_json::Map<_, _> = serde_json::from_str(body).unwrap_or_default();
                    event.remove("webhookTimestamp");
                    serde_json::Value::Object(event).to_string()
                })
            },
        ),
    ]
}

fn shopify() -> Vec<Case> {
    vec![
        one(
            "a body without an id",
            Expected::Acknowledged,
            "shop/redact and app/uninstalled are not about an order",
            |maker| {
                let mut request = body(maker, &json!({"shop_domain": "acme-water.myshopify.com"}))?;
                request.set("x-shopify-topic", "shop/redact");
                Ok(request)
            },
        ),
        one(
            "X-Shopify-Test",
            Expected::Handled(1),
            "what the admin's button sends has one header more",
            |maker| {
                let mut request = maker.usual()?;
                request.append("x-shopify-test", "true");
                Ok(request)
            },
        ),
    ]
}

fn standard(provider: &'static Provider) -> Vec<Case> {
    let mut cases = vec![
        one(
            "a body without a type",
            Expected::Acknowledged,
            "the specification only recommends it, and bodies without exist (svix-docs#125)",
            |maker| body(maker, &json!({"status": "paid", "user": 7})),
        ),
        one(
            "a body that is an array",
            Expected::Steady,
            "some providers send lists; the id and the time are headers",
            |maker| body(maker, &json!([{"id": "1"}, {"id": "2"}])),
        ),
    ];
    if provider.name == "svix" {
        cases.push(one(
            "headers of the other family",
            Expected::Handled(1),
            "Svix sends `webhook-` names where a customer asks for them, and its libraries take both",
            |maker| {
                let mut request = maker.usual()?;
                for (name, _) in &mut request.headers {
                    if let Some(rest) = name.strip_prefix("svix-") {
                        *name = format!("webhook-{rest}");
                    }
                }
                Ok(request)
            },
        ));
    }
    cases
}
