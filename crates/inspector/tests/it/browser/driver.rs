//! Chromium, driven by chromedriver's WebDriver API.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::{Mutex, MutexGuard},
    time::Instant,
};

/// One browser at a time: there may be two cores.
static ONE: Mutex<()> = Mutex::const_new(());

/// The longest that a state of the page is waited for.
const LONGEST: Duration = Duration::from_secs(20);

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const SPACE: &str = " ";

pub(crate) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    /// The address of the session.
    session: String,
    /// Chromium's own process.
    process: Option<i64>,
    _driver: Child,
    folder: PathBuf,
    _one: MutexGuard<'static, ()>,
}

/// Whether there is something to test with. Without it a test passes, and says so.
fn is_there() -> bool {
    let is_there = |program: &str| {
        let run = std::process::Command::new(program).arg("--version").output();
        run.is_ok_and(|run| run.status.success())
    };
    if is_there("chromium") && is_there("chromedriver") {
        return true;
    }
    assert!(
        std::env::var_os("REQUIRE_SERVERS").is_none_or(|value| value != "1"),
        "REQUIRE_SERVERS=1, and there is no chromium and chromedriver: apt-get install chromium chromium-driver"
    );
    eprintln!("chromium or chromedriver is missing: this test passes without having looked");
    false
}

impl Browser {
    pub(crate) async fn start() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !is_there() {
            return None;
        }
        let one = ONE.lock().await;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("inspector-{}-{number}", std::process::id()));
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver says its port");
            if let Some(port) = line.split("started successfully on port ").nth(1) {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let mut browser = Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            session: format!("http://127.0.0.1:{port}/session"),
            process: None,
            _driver: driver,
            folder: folder.clone(),
            _one: one,
        };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", folder.display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let session = browser.call("POST", "", Some(wanted)).await;
        browser.process = session["capabilities"]["goog:processID"].as_i64();
        browser.session = format!("{}/{}", browser.session, session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.session))
            .header("content-type", "application/json")
            .body(Full::from(body))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(status.is_success(), "{method} {path}: {body}");
        body["value"].clone()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", path, Some(body)).await
    }

    pub(crate) async fn go(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// What a function's body returns in the page.
    pub(crate) async fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
            .await
    }

    pub(crate) async fn text(&self, script: &str) -> String {
        self.script(script).await.as_str().unwrap_or_default().to_owned()
    }

    /// All that can be read on the page.
    pub(crate) async fn page(&self) -> String {
        self.text("return document.body.innerText").await
    }

    /// Waits until this is true in the page.
    #[track_caller]
    pub(crate) fn until<'a>(&'a self, script: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let begun = Instant::now();
            let script = format!("try {{ return !!({script}) }} catch (error) {{ return false }}");
            while self.script(&script).await != Value::Bool(true) {
                assert!(
                    begun.elapsed() < LONGEST,
                    "{caller}: never true: {script}\n{}",
                    self.page().await
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn find(&self, css: &str) -> String {
        let found = self
            .post("/element", json!({ "using": "css selector", "value": css }))
            .await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    pub(crate) async fn click(&self, css: &str) {
        let element = self.find(css).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    pub(crate) async fn write(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.post(&format!("/element/{element}/clear"), json!({})).await;
        self.post(&format!("/element/{element}/value"), json!({ "text": text }))
            .await;
    }

    /// Presses these keys one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let mut actions = Vec::new();
        for key in keys.chars() {
            actions.push(json!({ "type": "keyDown", "value": key.to_string() }));
            actions.push(json!({ "type": "keyUp", "value": key.to_string() }));
        }
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Presses the tabulator until the focus is on what this selector names.
    #[track_caller]
    pub(crate) fn tab_to<'a>(&'a self, css: &'a str) -> impl Future<Output = usize> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let script = format!("return document.activeElement.matches({css:?})");
            for pressed in 1..200 {
                self.press(TAB).await;
                if self.script(&script).await == Value::Bool(true) {
                    return pressed;
                }
            }
            panic!("{caller}: the tabulator does not get to {css}");
        }
    }

    async fn developer(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
            .await
    }

    pub(crate) async fn size(&self, width: u32, height: u32) {
        let parameters = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.developer("Emulation.setDeviceMetricsOverride", parameters).await;
    }

    pub(crate) async fn scheme(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.developer("Emulation.setEmulatedMedia", json!({ "features": [feature] }))
            .await;
    }

    /// An image of what is in the window, kept under `target/inspector`.
    pub(crate) async fn keep(&self, name: &str) {
        let parameters = json!({ "format": "png" });
        let image = self.developer("Page.captureScreenshot", parameters).await;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .unwrap()
            .join("inspector");
        std::fs::create_dir_all(&folder).unwrap();
        let image = base64(image["data"].as_str().unwrap());
        std::fs::write(folder.join(format!("{name}.png")), image).unwrap();
    }

    /// What the browser has complained about since it was asked last.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({ "type": "browser" })).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// How much memory the tab has, in KiB, without what the pages before it have left; of what
    /// processes share, its part.
    pub(crate) async fn memory(&self) -> u64 {
        self.developer("HeapProfiler.collectGarbage", json!({})).await;
        let chromium = self.process.unwrap();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let tabs = processes
            .filter_map(|process| process.file_name().to_str()?.parse::<i64>().ok())
            .filter(|process| {
                let command = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
                command.contains("--type=renderer") && ancestors(*process).any(|ancestor| ancestor == chromium)
            });
        // There is an empty one for whatever is opened next.
        tabs.filter_map(|tab| line_of(tab, "smaps_rollup", "Pss:"))
            .max()
            .unwrap()
    }

    pub(crate) async fn end(self) {
        self.call("DELETE", "", None).await;
    }
}

/// A test that fails leaves no browser behind, either.
impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(process) = self.process {
            let process = process.to_string();
            let _ = std::process::Command::new("kill")
                .arg(process)
                .stderr(Stdio::null())
                .status();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn ancestors(process: i64) -> impl Iterator<Item = i64> {
    std::iter::successors(Some(process), |process| {
        i64::try_from(line_of(*process, "status", "PPid:")?).ok()
    })
}

/// The number after a name in one of a process's files, unless the process has gone.
fn line_of(process: i64, file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut length) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = (bits << 6) | u32::from(value);
        length += 6;
        if length >= 8 {
            length -= 8;
            bytes.push(u8::try_from((bits >> length) & 0xff).unwrap());
        }
    }
    bytes
}
