//! Shopify's deliveries, whose ids and topic nobody signs.

#![cfg(test)] // for clippy

use super::*;

const ORDER: &[u8] = br##"{"id":5512003344771,"name":"#1041","total_price":"42.00"}"##;

async fn shopify_post(endpoint: &Endpoint<Shopify>, topic: &str, ids: [&str; 2], shop: &str) -> Answer {
    let headers = [
        ("x-shopify-topic", topic),
        ("x-shopify-event-id", ids[0]),
        ("x-shopify-webhook-id", ids[1]),
        ("x-shopify-shop-domain", shop),
    ];
    endpoint.post(ORDER, &headers).await
}

#[tokio::test]
async fn two_shopify_events_with_one_body_both_run_and_a_retry_is_a_duplicate() {
    let endpoint = Endpoint::new(Shopify::new(SECRET).unwrap());
    let send = |topic: &'static str, id: &'static str, shop: &'static str| {
        let endpoint = &endpoint;
        async move {
            let headers = [
                ("x-shopify-topic", topic),
                ("x-shopify-event-id", id),
                ("x-shopify-shop-domain", shop),
            ];
            endpoint.post(br#"{"id":7}"#, &headers).await.assert_acknowledged();
        }
    };
    for _ in 0..2 {
        send("products/delete", "1", "a.myshopify.com").await;
        send("collections/delete", "2", "a.myshopify.com").await;
        // One action of the merchant's can have one id for two topics, and two shops one body.
        send("collections/delete", "1", "a.myshopify.com").await;
        send("products/delete", "1", "b.myshopify.com").await;
    }
    let (products, collections) = ("products/delete", "collections/delete");
    assert_eq!(endpoint.seen(), [products, collections, collections, products]);
}

#[tokio::test]
async fn a_shopify_delivery_without_an_event_id_goes_by_its_webhook_id() {
    let endpoint = Endpoint::new(Shopify::new(SECRET).unwrap());
    for id in ["1", "2", "1"] {
        let headers = [("x-shopify-topic", "shop/redact"), ("x-shopify-webhook-id", id)];
        endpoint.post(br#"{"id":7}"#, &headers).await.assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["shop/redact"; 2]);
}

#[tokio::test]
async fn a_shopify_delivery_under_new_ids_runs_nothing_a_second_time_in_strict_mode() {
    let endpoint = Endpoint::strict(Shopify::new(SECRET).unwrap());
    for (ids, shop) in [
        (["1", "1"], "a.myshopify.com"),
        (["1", "2"], "a.myshopify.com"),
        (["2", "1"], "a.myshopify.com"),
        (["3", "3"], "b.myshopify.com"),
        (["", ""], ""),
    ] {
        shopify_post(&endpoint, "orders/create", ids, shop)
            .await
            .assert_acknowledged();
    }
    endpoint
        .post(ORDER, &[("x-shopify-topic", "orders/create")])
        .await
        .assert_acknowledged();
    assert_eq!(endpoint.seen(), ["orders/create"]);
}

#[tokio::test]
async fn a_shopify_delivery_under_another_topic_is_a_conflict_in_strict_mode() {
    let endpoint = Endpoint::strict(Shopify::new(SECRET).unwrap());
    let shop = "a.myshopify.com";
    shopify_post(&endpoint, "orders/create", ["1", "1"], shop)
        .await
        .assert_acknowledged();
    for topic in ["orders/paid", "refunds/create", "app/uninstalled", "shop/redact"] {
        shopify_post(&endpoint, topic, ["2", "2"], shop)
            .await
            .assert_refused(500, RefusalKind::Conflict);
    }
    assert_eq!(endpoint.seen(), ["orders/create"]);
    let answer = endpoint.post(ORDER, &[]).await;
    answer.assert_refused(400, RefusalKind::NotAnEvent);
}

#[tokio::test]
async fn shopifys_newer_headers_are_verified_and_the_topic_is_the_signed_bodys() {
    for beside in [false, true] {
        let endpoint = Endpoint::new(Shopify::new(SECRET).unwrap());
        let body = br#"{"topic":"Product","action":"update","handle":"products"}"#;
        let signed = endpoint.scheme.sign(&Secrets::new(SECRET).unwrap(), body).unwrap();
        for id in ["1", "2", "1"] {
            let mut headers = HeaderMap::new();
            headers.insert("shopify-hmac-sha256", signed["x-shopify-hmac-sha256"].clone());
            headers.insert("shopify-topic", HeaderValue::from_static("Order"));
            headers.insert("shopify-webhook-id", id.parse().unwrap());
            if beside {
                headers.extend(signed.clone());
                headers.insert("x-shopify-topic", HeaderValue::from_static("orders/create"));
            }
            endpoint.send(headers, body).await.assert_acknowledged();
        }
        assert_eq!(endpoint.seen(), ["Product.update"; 2], "{beside}");
    }
}

// ---- Slack ----
