//! The page works wherever an application puts it.

use axum::Router;
use tower_webhook_inspector::Access;

use crate::support::{Page, World, event};

/// The page that a browser is at, when it follows a relative link from this one.
fn followed(from: &str, link: &str) -> String {
    if link.starts_with('/') {
        return link.to_owned();
    }
    let folder = from.split('?').next().unwrap().rsplit_once('/').unwrap().0;
    format!("{folder}/{link}")
}

#[tokio::test]
async fn each_link_leads_to_a_page_of_the_same_folder() {
    let world = World::new();
    world.dead("evt-1").await;
    let inner = || world.builder(Access::loopback_only()).build().unwrap();
    let nested = Router::new().nest("/ops", Router::new().nest("/inspector", inner()));
    for (app, folder, root) in [
        (inner(), "", "/"),
        (nested, "/ops/inspector", "/ops/inspector"),
        (Router::new().nest_service("/hooks", inner()), "/hooks", "/hooks"),
        (Router::new().nest_service("/hooks", inner()), "/hooks", "/hooks/"),
    ] {
        let page = Page::new(app);
        let seen = page.get(root).await;
        assert_eq!(seen.status, 303, "{root}");
        let start = followed(root, seen.headers["location"].to_str().unwrap());
        assert_eq!(start, format!("{folder}/deliveries"));
        let (mut next, mut visited) = (vec![start], Vec::new());
        while let Some(path) = next.pop() {
            if visited.contains(&path) {
                continue;
            }
            let seen = page.get(&path).await;
            assert_eq!(seen.status, 200, "{path}");
            for link in seen.text.split(" href=\"").skip(1) {
                let link = link.split('"').next().unwrap().replace("&amp;", "&");
                if !link.starts_with('#') && visited.len() < 60 {
                    next.push(followed(&path, &link));
                }
            }
            for link in seen.text.split(" src=\"").skip(1) {
                next.push(followed(&path, link.split('"').next().unwrap()));
            }
            visited.push(path);
        }
        assert!(visited.len() > 15, "{visited:?}");
        assert!(visited.iter().all(|path| path.starts_with(folder)), "{visited:?}");
        assert!(visited.contains(&format!("{folder}/live.js")) && visited.contains(&format!("{folder}/style.css")));
    }
}

#[tokio::test]
async fn a_form_works_below_a_prefix() {
    let world = World::new();
    assert_eq!(world.deliver(&event("1", "customer_created")).await, 200);
    let app = Router::new().nest("/inspector", world.builder(Access::loopback_only()).build().unwrap());
    let page = Page::new(app);
    let asked = page.get("/inspector/confirm?verb=bury&namespace=dwolla&id=1").await;
    assert_eq!(asked.status, 200);
    asked.has("action=\"do\"");
    let done = page.keeping(&asked).post("/inspector/do", &asked.fields()).await;
    assert_eq!(
        (done.status.as_u16(), done.headers["location"].to_str().unwrap()),
        (303, "result?number=0")
    );
    assert_eq!(page.get("/inspector/nothing").await.status, 404);
}
