//! A headless Chromium, driven by its DevTools protocol; it reaches this machine's own addresses and nothing else.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longer than anything takes on a machine that has much to do.
const PATIENCE: Duration = Duration::from_mins(2);

const FLAGS: [&str; 13] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
];

/// One page in a browser of its own.
pub(crate) struct Page {
    child: Child,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    last: u64,
    _profile: TempDir,
}

/// How large the window is.
#[derive(Clone, Copy)]
pub(crate) enum Window {
    Desk,
    Phone,
}

/// An empty page; nothing where there is no Chromium.
pub(crate) async fn page() -> Option<Page> {
    if std::process::Command::new("chromium").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "`chromium` is not installed; CI is set, so nothing may be left out");
        eprintln!("LEFT OUT: `chromium` is not installed (Debian package chromium), so this test shows nothing");
        return None;
    }
    let profile = tempfile::tempdir().unwrap();
    let mut child = Command::new("chromium")
        .args(FLAGS)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .env("TMPDIR", profile.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = timeout(PATIENCE, async {
        let mut said = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(address) = line.strip_prefix("DevTools listening on ") {
                return address.to_owned();
            }
            said += &line;
        }
        panic!("Chromium has ended: {said}")
    });
    let address = address.await.expect("Chromium listens in time");
    // It goes on saying things, and must not wait for somebody to read them.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let (socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
    let mut page = Page { child, socket, session: None, last: 0, _profile: profile };
    let target = page.call("Target.createTarget", json!({ "url": "about:blank" })).await;
    let attached = page.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true })).await;
    page.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
    page.window(Window::Desk, "light").await;
    Some(page)
}

impl Page {
    /// Loads an address.
    pub(crate) async fn open(&mut self, address: &str) {
        let opened = self.call("Page.navigate", json!({ "url": address })).await;
        assert!(opened["errorText"].is_null(), "{opened}");
        self.until("document.readyState === 'complete'").await;
    }

    /// How large its window is, and whether it is `light` or `dark`.
    pub(crate) async fn window(&mut self, window: Window, scheme: &str) {
        let (width, height) = match window {
            Window::Desk => (1360, 900),
            Window::Phone => (360, 740),
        };
        let mobile = matches!(window, Window::Phone);
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features).await;
    }

    /// What an expression is worth.
    pub(crate) async fn is(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", asked).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// What stands in the elements of a selector, as a person reads it.
    pub(crate) async fn text(&mut self, selector: &str) -> Vec<String> {
        let read = format!("[...document.querySelectorAll({selector:?})].map((one) => one.innerText)");
        serde_json::from_value(self.is(&read).await).unwrap()
    }

    /// Waits until an expression holds.
    pub(crate) async fn until(&mut self, expression: &str) {
        let look = format!(
            "new Promise((resolve) => {{ const look = () => ({expression}) ? resolve() : setTimeout(look, 20); look(); }})"
        );
        if timeout(PATIENCE, self.is(&look)).await.is_err() {
            let shown = timeout(PATIENCE, self.is("document.body.innerText")).await;
            panic!("it never came to this: {expression}\n{shown:?}");
        }
    }

    /// Presses a key, such as `Tab` or `/`.
    pub(crate) async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            letter => (0, letter),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text });
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Keeps what is seen as `target/page/NAME.png`.
    pub(crate) async fn picture(&mut self, name: &str) {
        // What is on its way there has arrived.
        self.is("Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})))").await;
        let taken = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, taken["data"].as_str().unwrap());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("page");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }

    /// Ends the browser, so that its profile can be removed.
    pub(crate) async fn close(mut self) {
        self.session = None;
        self.call("Browser.close", json!({})).await;
        let _ = timeout(PATIENCE, self.child.wait()).await;
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut request = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(request.to_string())).await.unwrap();
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("an answer in time").unwrap().unwrap();
            let Message::Text(text) = message else { continue };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }
}
