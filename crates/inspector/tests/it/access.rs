//! Who is let in.

use std::time::Duration;

use http::StatusCode;
use tower_webhook::testing::ManualClock;
use tower_webhook_inspector::{Access, Endpoint, Inspector};

use crate::support::{Page, Seen, World};

const TOKEN: &str = "a-token-for-tests-of-32-letters!";

const PAGES: [&str; 18] = [
    "/deliveries",
    "/delivery?number=0",
    "/event?namespace=dwolla&id=1",
    "/body?namespace=dwolla&id=1",
    "/inbox",
    "/endpoints",
    "/refused",
    "/request?number=0",
    "/request-body?number=0",
    "/reports",
    "/report?number=0",
    "/confirm?verb=replay&namespace=dwolla&id=1",
    "/result?number=0",
    "/live",
    "/nothing",
    "//login",
    "/login/",
    "/style.css/../deliveries",
];

fn by_token() -> Page {
    Page::new(World::new().builder(Access::token(TOKEN)).build().unwrap())
}

async fn login(page: &Page, token: &str) -> Seen {
    let form = page.get("/login").await;
    let mut fields = form.fields();
    fields.push(("token".to_owned(), token.to_owned()));
    page.keeping(&form).post("/login", &fields).await
}

#[tokio::test]
async fn without_the_token_each_page_is_refused_and_says_nothing() {
    let page = by_token();
    for path in PAGES {
        let seen = page.get(path).await;
        assert_eq!(seen.status, 401, "{path}");
        assert_eq!(seen.headers["www-authenticate"], "Bearer", "{path}");
        seen.has_not("Deliveries").has_not("dwolla/");
        let posted = page.post(path, &[]).await;
        assert_eq!(posted.status, 401, "{path}");
    }
    assert_eq!(page.post("/do", &[]).await.status, 401);
    assert_eq!(page.post("/logout", &[]).await.status, 401);
}

#[tokio::test]
async fn a_login_opens_the_page_that_was_asked_for_and_a_logout_closes_it() {
    let page = by_token();
    let asked = page.get("/inbox?stage=dead").await;
    assert_eq!(asked.status, 401);
    asked.has("<h1>Log in</h1>");
    let mut fields = asked.fields();
    fields.push(("token".to_owned(), TOKEN.to_owned()));
    let visitor = page.keeping(&asked);
    let entered = visitor.post("/login", &fields).await;
    assert_eq!(
        (entered.status, entered.headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "inbox?stage=dead")
    );
    let cookie = entered.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("inspector-3000=operator."), "{cookie}");
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=Strict; Max-Age=43200"),
        "{cookie}"
    );
    assert!(!cookie.contains(TOKEN));

    let operator = visitor.keeping(&entered);
    let inside = operator.get("/inbox").await;
    assert_eq!(inside.status, 200);
    let token = inside.text.split("name=\"token\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap().to_owned();
    // Another site could have sent a form without it.
    for fields in [Vec::new(), vec![("token".to_owned(), "0".repeat(64))]] {
        let kept = operator.post("/logout", &fields).await;
        assert_eq!(kept.status, 403);
        assert!(!kept.headers.contains_key("set-cookie"));
    }
    let left = operator.post("/logout", &[("token".to_owned(), token)]).await;
    assert_eq!(left.status, 303);
    assert_eq!(operator.keeping(&left).get("/inbox").await.status, 401);
}

/// Else another site could log a browser in, as somebody who watches what it then does.
#[tokio::test]
async fn a_login_needs_the_form_that_this_browser_was_given() {
    let page = by_token();
    let token = ("token".to_owned(), TOKEN.to_owned());
    let form = page.get("/login").await;
    let mut fields = form.fields();
    fields.push(token.clone());
    let other = page.keeping(&page.get("/login").await);
    for (what, seen) in [
        (
            "no form, no cookie",
            page.post("/login", std::slice::from_ref(&token)).await,
        ),
        ("a form without its cookie", page.post("/login", &fields).await),
        ("another browser's form", other.post("/login", &fields).await),
        ("no form", page.keeping(&form).post("/login", &[token]).await),
    ] {
        assert_eq!(seen.status, 403, "{what}");
        let cookie = seen.headers.get("set-cookie").map(|cookie| cookie.to_str().unwrap());
        assert!(!cookie.is_some_and(|cookie| cookie.contains("operator")), "{what}");
    }
    assert_eq!(page.keeping(&form).post("/login", &fields).await.status, 303);
}

#[tokio::test]
async fn a_cookie_is_secure_but_on_this_machine_and_no_token_goes_over_plain_http() {
    let page = by_token().with("host", "ops.example.com");
    let form = page.get("/login").await;
    assert!(form.headers["set-cookie"].to_str().unwrap().ends_with("; Secure"));
    let mut fields = form.fields();
    fields.push(("token".to_owned(), TOKEN.to_owned()));
    let visitor = page.keeping(&form);
    let plain = visitor
        .clone()
        .with("origin", "http://ops.example.com")
        .post("/login", &fields)
        .await;
    assert_eq!(plain.status, 403);
    plain.has("plain HTTP");
    let tls = visitor
        .with("origin", "https://ops.example.com")
        .post("/login", &fields)
        .await;
    assert_eq!(tls.status, 303);
    assert!(tls.headers["set-cookie"].to_str().unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn a_cookie_that_was_made_up_changed_or_is_over_is_none() {
    let clock = ManualClock::new();
    let app = World::new()
        .builder(Access::token(TOKEN))
        .clock(clock.clone())
        .build()
        .unwrap();
    let page = Page::new(app);
    let entered = login(&page, TOKEN).await;
    let operator = page.keeping(&entered);
    assert_eq!(operator.get("/deliveries").await.status, 200);

    let cookie = operator.headers["cookie"].to_str().unwrap().to_owned();
    let (id, _) = cookie.rsplit_once('.').unwrap();
    let visitors = page.get("/login").await.headers["set-cookie"]
        .to_str()
        .unwrap()
        .to_owned();
    let visitors = visitors.split(';').next().unwrap().to_owned();
    for changed in [
        id.to_owned(),
        format!("{id}."),
        format!("{id}.00"),
        cookie.replace("operator.", "operator.9"),
        visitors.replace("visitor", "operator"),
        visitors,
        "inspector-3000=operator".to_owned(),
    ] {
        assert_eq!(
            page.clone().with("cookie", &changed).get("/deliveries").await.status,
            401,
            "{changed}"
        );
    }
    // Another token has other sessions.
    let other = World::new()
        .builder(Access::token("another token of more letters"))
        .build()
        .unwrap();
    assert_eq!(
        Page::new(other).with("cookie", &cookie).get("/deliveries").await.status,
        401
    );

    clock.advance(Duration::from_secs(12 * 3600 - 1));
    assert_eq!(operator.get("/deliveries").await.status, 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(operator.get("/deliveries").await.status, 401);
}

#[tokio::test]
async fn a_program_sends_the_token_with_each_request() {
    let page = by_token();
    let program = page.clone().with("authorization", &format!("Bearer {TOKEN}"));
    let seen = program.get("/deliveries").await;
    assert_eq!(seen.status, 200);
    assert!(!seen.headers.contains_key("set-cookie"));
    for wrong in [
        "Bearer a-token-for-tests-of-32-letters?",
        "Bearer ",
        "Basic abc",
        &format!("Token {TOKEN}"),
    ] {
        assert_eq!(
            page.clone()
                .with("authorization", wrong)
                .get("/deliveries")
                .await
                .status,
            401,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn wrong_tokens_are_heard_ten_times_a_minute_from_an_address() {
    let clock = ManualClock::new();
    let app = World::new()
        .builder(Access::token(TOKEN))
        .clock(clock.clone())
        .build()
        .unwrap();
    let page = Page::new(app);
    for attempt in 0..10 {
        let seen = if attempt % 2 == 0 {
            login(&page, "a wrong token").await
        } else {
            page.clone()
                .with("authorization", "Bearer wrong")
                .get("/deliveries")
                .await
        };
        assert_eq!(seen.status, 401, "{attempt}");
    }
    let blocked = login(&page, TOKEN).await;
    assert_eq!(
        (blocked.status, blocked.headers["retry-after"].to_str().unwrap()),
        (StatusCode::TOO_MANY_REQUESTS, "61")
    );
    let program = page.clone().with("authorization", &format!("Bearer {TOKEN}"));
    assert_eq!(program.get("/deliveries").await.status, 429);
    // Others are not kept out, and nobody is for longer than a minute.
    assert_eq!(
        login(&page.clone().from(Some("127.0.0.2:50000")), TOKEN).await.status,
        303
    );
    clock.advance(Duration::from_secs(60));
    assert_eq!(login(&page, TOKEN).await.status, 303);
}

#[tokio::test]
async fn loopback_is_a_peer_a_host_and_no_proxy() {
    let page = World::new().page();
    assert_eq!(page.get("/deliveries").await.status, 200);
    for host in ["localhost", "127.0.0.1:80", "[::1]:3000", "inspector.localhost:1"] {
        assert_eq!(
            page.clone().with("host", host).get("/deliveries").await.status,
            200,
            "{host}"
        );
    }
    for host in [
        "example.com",
        "localhost.example.com:3000",
        "192.168.1.1",
        "0.0.0.0:3000",
        "127.0.0.1.nip.io",
    ] {
        let seen = page.clone().with("host", host).get("/deliveries").await;
        assert_eq!(seen.status, 403, "{host}");
        seen.has("the Host is not this machine");
    }
    assert_eq!(page.clone().without("host").get("/deliveries").await.status, 403);
    for peer in ["10.0.0.1:5000", "[2001:db8::1]:5000", "[::ffff:10.0.0.1]:5000"] {
        let seen = page.clone().from(Some(peer)).get("/style.css").await;
        assert_eq!(seen.status, 403, "{peer}");
        seen.has("another machine");
    }
    for peer in ["[::1]:5000", "[::ffff:127.0.0.1]:5000", "127.9.9.9:5"] {
        assert_eq!(
            page.clone().from(Some(peer)).get("/deliveries").await.status,
            200,
            "{peer}"
        );
    }
    let unknown = page.clone().from(None).get("/deliveries").await;
    assert_eq!(unknown.status, 403);
    unknown.has("into_make_service_with_connect_info");
    for header in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
        "via",
        "cf-connecting-ip",
    ] {
        let seen = page.clone().with(header, "127.0.0.1").get("/deliveries").await;
        assert_eq!(seen.status, 403, "{header}");
        seen.has("through a proxy");
    }
    // Nor does a form get through.
    assert_eq!(page.from(Some("10.0.0.1:5000")).post("/do", &[]).await.status, 403);
}

#[tokio::test]
async fn an_application_lets_in_whom_its_own_layer_has_found() {
    #[derive(Clone)]
    struct User(bool);
    let access = Access::application(|parts| parts.extensions.get::<User>().is_some_and(|user| user.0));
    let app = World::new().builder(access).build().unwrap();
    // Without its layer: nobody.
    assert_eq!(Page::new(app.clone()).get("/deliveries").await.status, 403);
    for (is_operator, status) in [(true, 200), (false, 403)] {
        let app = app.clone().layer(axum::Extension(User(is_operator)));
        let page = Page::new(app).with("host", "ops.example.com").from(None);
        for path in ["/deliveries", "/style.css", "/login"] {
            let expected = if path == "/login" && status == 200 { 404 } else { status };
            assert_eq!(page.get(path).await.status, expected, "{path}");
        }
    }
}

#[tokio::test]
async fn what_contradicts_itself_is_not_built() {
    let refused = Inspector::builder(Access::token("fifteen letters"))
        .build()
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("the token has 15 bytes; expected at least 16")
    );
    assert!(Inspector::builder(Access::token("sixteen letters!")).build().is_ok());
    let refused = Inspector::builder(Access::loopback_only())
        .endpoint(Endpoint::new("dwolla"))
        .endpoint(Endpoint::new("stripe").namespace("dwolla"))
        .build()
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "two endpoints have the namespace \"dwolla\"; expected one for each: set the layer's by `Endpoint::namespace`"
    );
    let builder = World::new().builder(Access::token(TOKEN));
    assert!(!format!("{builder:?}").contains(TOKEN));
}

#[tokio::test]
async fn each_response_has_a_strict_policy() {
    let page = by_token();
    let program = page.clone().with("authorization", &format!("Bearer {TOKEN}"));
    for seen in [
        page.get("/deliveries").await,
        page.get("/style.css").await,
        program.get("/deliveries").await,
        program.get("/live.js").await,
        program.get("/nothing").await,
        program.post("/do", &[]).await,
    ] {
        assert_eq!(
            seen.headers["content-security-policy"],
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(seen.headers["x-content-type-options"], "nosniff");
        assert_eq!(seen.headers["x-frame-options"], "DENY");
        assert_eq!(seen.headers["referrer-policy"], "same-origin");
        assert_eq!(seen.headers["cache-control"], "no-store");
    }
}
