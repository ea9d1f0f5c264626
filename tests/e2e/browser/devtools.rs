//! A browser that is told what to do: Chromium without a window, and its DevTools protocol through two pipes.
//!
//! The browser wants to read commands from descriptor 3 and to write what happens to descriptor 4, each as JSON with a NUL
//! behind it. A shell turns its stdin and stdout into those.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{SOON, any_peer, command};

/// Any of these will do.
const BROWSERS: [&str; 4] = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

/// The browser, with one empty page.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    /// What has happened in the page: the protocol's events, in their order.
    pub events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it. It goes nowhere but to this machine. None: skipped.
    pub fn start() -> Option<Browser> {
        let browser = any_peer(&BROWSERS)?;
        let profile = tempfile::tempdir().unwrap();
        let mut shell = command("sh");
        shell.args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "sh"]).arg(browser);
        // It may run as root here, in a container with little shared memory. All pages are ours: it needs no sandbox.
        shell.args(["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic"]);
        shell.args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]);
        shell.args(["--disable-breakpad", "--no-proxy-server", "--autoplay-policy=no-user-gesture-required"]);
        shell.args(["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe"]);
        shell.arg(format!("--user-data-dir={}", profile.path().display()));
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (commands, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                let json = serde_json::from_slice(message.strip_suffix(b"\0").unwrap_or(&message));
                if json.is_ok_and(|json: Value| sender.send(json).is_err()) {
                    break;
                }
                message.clear();
            }
        });
        let events = Vec::new();
        let mut browser = Browser { child, commands, messages, session: None, last_id: 0, events, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Has the browser do something, and returns what it says to it.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.try_to(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// As [`Browser::call`].
    ///
    /// Errors: it can't, say because the page has just given way to another.
    fn try_to(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let answer = self.messages.recv_timeout(SOON).unwrap_or_else(|_| panic!("no answer to {message}"));
            if answer["id"] == self.last_id {
                return if answer["error"].is_null() {
                    Ok(answer["result"].clone())
                } else {
                    Err(answer["error"].clone())
                };
            }
            self.events.push(answer);
        }
    }

    /// Goes to a page.
    #[track_caller]
    pub fn open(&mut self, url: &str) {
        let went = self.call("Page.navigate", json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{url}: {went}");
        self.shows("document.readyState == 'complete' && location.href != 'about:blank'");
    }

    /// The value of an expression in the page; of a promise, the value that it comes to.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let outcome = self.call("Runtime.evaluate", params);
        assert!(outcome["exceptionDetails"].is_null(), "{expression}: {outcome}");
        outcome["result"]["value"].clone()
    }

    /// Waits until something is true in the page, which may be on its way still.
    #[track_caller]
    pub fn shows(&mut self, expression: &str) {
        let deadline = Instant::now() + SOON;
        loop {
            let params = json!({ "expression": expression, "returnByValue": true });
            if self.try_to("Runtime.evaluate", params).is_ok_and(|outcome| outcome["result"]["value"] == true) {
                return;
            }
            if Instant::now() > deadline {
                let page = self.value("location.href + '\\n' + document.documentElement.outerHTML");
                panic!("{expression} is never so in {}", page.as_str().unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Goes back to the page before.
    pub fn go_back(&mut self) {
        // The page that is told so may be gone before it can say that it has understood.
        let _ = self.try_to("Runtime.evaluate", json!({ "expression": "history.back()" }));
    }

    /// Clicks, with the mouse, on the first link with this text.
    #[track_caller]
    pub fn click(&mut self, text: &str) {
        let text = Value::from(text);
        let link = format!("[...document.links].find(link => link.textContent == {text})");
        self.shows(&format!("document.readyState == 'complete' && {link} != undefined"));
        let middle = self.value(&format!(
            "(link => {{ link.scrollIntoView(); const box = link.getBoundingClientRect();
             return [box.x + box.width / 2, box.y + box.height / 2] }})({link})"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let (x, y) = (&middle[0], &middle[1]);
            self.call(
                "Input.dispatchMouseEvent",
                json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 }),
            );
        }
    }

    /// The responses up to now: path, status, and the fields, whose names are in small letters.
    pub fn responses(&self) -> Vec<(String, u64, Value)> {
        let responses = self.events.iter().filter(|event| event["method"] == "Network.responseReceived");
        responses
            .map(|event| {
                let response = &event["params"]["response"];
                let url = response["url"].as_str().unwrap_or_default();
                let path = url.splitn(4, '/').nth(3).map_or_else(|| url.to_owned(), |path| format!("/{path}"));
                let fields = response["headers"].as_object().cloned().unwrap_or_default();
                let fields = fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
                (path, response["status"].as_u64().unwrap_or(0), Value::Object(fields))
            })
            .collect()
    }

    /// What a person would see in red in the console, and every response that is an error.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for event in &self.events {
            let params = &event["params"];
            let is_bad = match event["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" | "Network.loadingFailed" => params["canceled"] != true,
                "Runtime.consoleAPICalled" => params["type"] == "error" || params["type"] == "warning",
                "Log.entryAdded" => ["error", "warning"].iter().any(|level| params["entry"]["level"] == *level),
                "Network.responseReceived" => params["response"]["status"].as_u64().is_none_or(|status| status >= 400),
                _ => false,
            };
            if is_bad {
                complaints.push(event.to_string());
            }
        }
        complaints
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
