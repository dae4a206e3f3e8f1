//! A headless Chromium, driven by its DevTools protocol over a pipe: JSON messages that end with a zero byte.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Far more than anything takes; a browser that hangs must not hang the tests.
const PATIENCE: Duration = Duration::from_secs(240);

/// A page size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) mobile: bool,
}

pub(crate) const DESKTOP: Screen = Screen { width: 1200, height: 900, mobile: false };
pub(crate) const PHONE: Screen = Screen { width: 390, height: 844, mobile: true };

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    next: u64,
    session: Option<String>,
    events: Vec<Value>,
    _profile: TempDir,
}

/// The browser's program; `None`, said aloud, where there is none.
fn program() -> Option<String> {
    let named = std::env::var("NASPROF_TEST_BROWSER").ok();
    let all = named.into_iter().chain(["chromium", "chromium-browser", "google-chrome"].map(ToOwned::to_owned));
    let runs = |name: &String| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let found = all.into_iter().find(runs);
    if found.is_none() {
        nasprof_testkit::skip::skip("no Chromium; NASPROF_TEST_BROWSER names one");
    }
    found
}

impl Browser {
    /// Starts a browser with an empty page.
    pub(crate) fn start(screen: Screen) -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        // The protocol is on file descriptors 3 and 4: the shell puts our pipes there.
        let script = "exec \"$0\" --headless --no-sandbox --disable-gpu --remote-debugging-pipe --no-first-run \
                      --disable-background-networking --user-data-dir=\"$1\" 3<&0 4>&1 >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", script, &program()?])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            while output.read_until(0, &mut bytes).is_ok_and(|n| n > 0) {
                bytes.pop();
                let _ = serde_json::from_slice(&bytes).map(|message| sender.send(message));
                bytes.clear();
            }
        });
        let mut browser =
            Self { child, input, messages, next: 0, session: None, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.call("Target.attachToTarget", &json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        let Screen { width, height, mobile } = screen;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        browser.call("Emulation.setDeviceMetricsOverride", &metrics);
        Some(browser)
    }

    /// Opens a file and waits until it is loaded.
    pub(crate) fn open(&mut self, path: &Path) {
        self.events.clear();
        self.call("Page.navigate", &json!({"url": format!("file://{}", path.display())}));
        while !self.events.iter().any(|e| e["method"] == "Page.loadEventFired") {
            let event = self.messages.recv_timeout(PATIENCE).unwrap();
            self.events.push(event);
        }
    }

    /// The value of an expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// A text that an expression gives.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        self.evaluate(expression).as_str().unwrap_or_default().to_owned()
    }

    /// A method of the protocol.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.messages.recv_timeout(PATIENCE).unwrap();
            if answer["id"] == self.next {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// A key, as if typed.
    pub(crate) fn press(&mut self, key: &str, code: u32) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let parameters =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.call("Input.dispatchKeyEvent", &parameters);
        }
    }

    /// Moves the pointer to the middle of an element.
    pub(crate) fn hover(&mut self, selector: &str) {
        let place = self.evaluate(&format!(
            "(() => {{ const e = document.querySelector('{selector}'); e.scrollIntoView({{block: 'center'}}); \
             const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
        ));
        self.call("Input.dispatchMouseEvent", &json!({"type": "mouseMoved", "x": place[0], "y": place[1]}));
    }

    /// Everything that went wrong in the page since it was opened: exceptions, errors in the console, and requests
    /// for anything but the page itself.
    pub(crate) fn problems(&mut self) -> Vec<String> {
        // What was sent before the answer has arrived with it.
        let own = self.text("location.href.split('#')[0]");
        let wrong = |event: &Value| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(parameters.to_string()),
                "Runtime.consoleAPICalled" if parameters["type"] == "error" => Some(parameters.to_string()),
                "Log.entryAdded" if parameters["entry"]["level"] == "error" => Some(parameters.to_string()),
                "Network.requestWillBeSent" => {
                    let url = parameters["request"]["url"].as_str()?.split('#').next()?;
                    (url != own && !url.starts_with("data:")).then(|| format!("request for {url}"))
                }
                _ => None,
            }
        };
        self.events.iter().filter_map(wrong).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The control of every test that finds no problem: the harness notices errors and requests.
#[test]
fn errors_and_requests_are_noticed() {
    let Some(mut browser) = Browser::start(DESKTOP) else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("bad.html");
    std::fs::write(&page, "<img src='http://127.0.0.1:9/x.png'><script>console.error('no'); missing()</script>")
        .unwrap();
    browser.open(&page);
    let problems = browser.problems();
    for word in ["127.0.0.1", "no", "missing"] {
        assert!(problems.iter().any(|p| p.contains(word)), "{word}: {problems:?}");
    }
}
