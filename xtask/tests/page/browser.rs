//! Headless Chromium, driven by the Chrome DevTools Protocol over two pipes (`--remote-debugging-pipe`: JSON messages that end
//! with a zero byte, commands on descriptor 3, answers on 4). A shell sets up the descriptors.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// Timeout for an answer of the browser.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The first browser that is installed. The machines of GitHub Actions have Google Chrome.
pub fn find() -> Option<&'static str> {
    let there = |name: &&str| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).any(|dir| dir.join(name).is_file())
    };
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(there)
}

/// A browser with one page, and the errors of that page.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    last: u64,
    errors: Vec<String>,
    loaded: bool,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub fn start(name: &str) -> Self {
        let profile = tempfile::tempdir().expect("a directory for the profile");
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", name]);
        command.args(["--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--hide-scrollbars"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        if nix::unistd::geteuid().is_root() {
            // Chromium's sandbox does not work for root. The page comes from this test.
            command.arg("--no-sandbox");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a shell");
        let input = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { break };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Browser {
            child,
            input,
            messages,
            session: String::new(),
            last: 0,
            errors: Vec::new(),
            loaded: false,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = text(&browser.call("Target.attachToTarget", attach)["sessionId"]);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens a file at an anchor, on a screen of this width.
    pub fn open(&mut self, file: &Path, hash: &str, width: u32, dark: bool) {
        let screen = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let scheme = json!([{ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": scheme }));
        // Otherwise another anchor in the same file would not load the page again.
        self.visit("about:blank".into());
        self.visit(format!("file://{}{hash}", file.display()));
    }

    fn visit(&mut self, url: String) {
        self.loaded = false;
        self.call("Page.navigate", json!({ "url": url }));
        while !self.loaded {
            let message = self.message();
            self.note(&message);
        }
    }

    /// Runs a script in the page and returns its value.
    pub fn eval(&mut self, script: &str) -> Value {
        let answer = self.call("Runtime.evaluate", json!({ "expression": script, "returnByValue": true }));
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Presses and releases a key: a character, or a name such as `Enter`.
    pub fn press(&mut self, key: &str) {
        let typed = match key {
            "Enter" => "\r",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        // Buttons react to the key code; for letters it does not matter.
        let code = if key == "Enter" { 13 } else { 0 };
        let down = json!({ "type": "keyDown", "key": key, "text": typed, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", down);
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code }));
    }

    pub fn write(&mut self, text: &str) {
        text.chars().for_each(|key| self.press(&key.to_string()));
    }

    /// Clicks at the middle of an element, on whatever is on top there.
    pub fn click(&mut self, selector: &str) {
        let script = format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'center', inline: 'center' }}); \
             const b = e.getClientRects()[0]; return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
        );
        let place = self.eval(&script);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// A screenshot in base64.
    pub fn picture(&mut self) -> String {
        text(&self.call("Page.captureScreenshot", json!({ "format": "png" }))["data"])
    }

    /// Errors since the last call: exceptions, console output, violations of the content security policy, network requests.
    pub fn errors(&mut self) -> Vec<String> {
        // Pending events arrive before the answer to this.
        self.eval("0");
        std::mem::take(&mut self.errors)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let bytes = [message.to_string().as_bytes(), &[0]].concat();
        self.input.write_all(&bytes).expect("the browser reads");
        loop {
            let answer = self.message();
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn message(&mut self) -> Value {
        self.messages.recv_timeout(TIMEOUT).expect("the browser answers")
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Page.loadEventFired" => self.loaded = true,
            "Runtime.exceptionThrown" => self.errors.push(parameters["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" => self.errors.push(parameters["args"].to_string()),
            "Log.entryAdded" => self.errors.push(text(&parameters["entry"]["text"])),
            "Network.requestWillBeSent" => {
                let url = text(&parameters["request"]["url"]);
                if !url.starts_with("file:") && !url.starts_with("data:") && url != "about:blank" {
                    self.errors.push(format!("it requested {url}"));
                }
            }
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}
