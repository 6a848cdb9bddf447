//! Chromium without a window, driven by chromedriver over HTTP (WebDriver, w3.org/TR/webdriver2, and chromedriver's own commands
//! `goog/cdp/execute` and `se/log`).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// The program that drives the browser, which is installed with it.
pub const DRIVER: &str = "chromedriver";

/// Whether [`DRIVER`] is installed.
pub fn is_there() -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|dir| dir.join(DRIVER).is_file())
}

/// A browser with one page.
pub struct Browser {
    driver: Child,
    /// The address of its session.
    session: String,
}

impl Browser {
    pub fn start() -> Self {
        let mut driver = Command::new(DRIVER);
        let mut driver = driver.arg("--port=0").stdout(Stdio::piped()).spawn().expect("chromedriver is installed");
        let lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let mut ports = lines.filter_map(|line| line.rsplit_once(" on port ").map(|(_, port)| port.replace('.', "")));
        // The line before it requests port 0.
        let port = ports.find(|port| port != "0").expect("chromedriver says its port");
        let mut browser = Browser { driver, session: format!("http://127.0.0.1:{port}") };
        // Chromium cannot use its sandbox as root. The page is made by this test.
        let sandbox = if nix::unistd::geteuid().is_root() { "no-sandbox" } else { "no-first-run" };
        let wanted = json!({ "alwaysMatch": {
            "goog:chromeOptions": { "args": ["headless", "disable-gpu", "hide-scrollbars", sandbox] },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } });
        let session = browser.post("session", json!({ "capabilities": wanted }));
        browser.session += &format!("/session/{}", text(&session["sessionId"]));
        browser
    }

    /// Opens a file at an anchor, on a screen of this width.
    pub fn open(&mut self, file: &Path, hash: &str, width: u32, dark: bool) {
        let screen = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        let scheme = json!([{ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } }]);
        for (command, parameters) in [
            ("Emulation.setDeviceMetricsOverride", screen),
            ("Emulation.setEmulatedMedia", json!({ "features": scheme })),
        ] {
            self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters }));
        }
        // Otherwise an anchor in the same file would not load the page again.
        self.post("url", json!({ "url": "about:blank" }));
        self.post("url", json!({ "url": format!("file://{}{hash}", file.display()) }));
    }

    /// The value of a JavaScript expression, evaluated in the page.
    pub fn eval(&mut self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": format!("return {script}"), "args": [] }))
    }

    /// Presses and releases a key: a character, or a name such as `Enter`.
    pub fn press(&mut self, key: &str) {
        let key = match key {
            "Enter" => "\u{e007}",
            "Escape" => "\u{e00c}",
            key => key,
        };
        let steps = ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": steps }] }));
    }

    pub fn write(&mut self, text: &str) {
        text.chars().for_each(|key| self.press(&key.to_string()));
    }

    /// Clicks the middle of an element. It is an error if another element covers it.
    pub fn click(&mut self, selector: &str) {
        let element = self.post("element", json!({ "using": "css selector", "value": selector }));
        let id = element.as_object().and_then(|element| element.values().next()).map(text).unwrap_or_default();
        self.post(&format!("element/{id}/click"), json!({}));
    }

    /// A screenshot in base64.
    pub fn picture(&mut self) -> String {
        let command = json!({ "cmd": "Page.captureScreenshot", "params": {} });
        text(&self.post("goog/cdp/execute", command)["data"])
    }

    /// Errors since the last call: exceptions, console errors, violations of the policy, network requests.
    pub fn errors(&mut self) -> Vec<String> {
        let mut log = |kind: &str| self.post("se/log", json!({ "type": kind })).as_array().cloned().unwrap_or_default();
        let mut troubles: Vec<String> = log("browser").iter().map(|entry| text(&entry["message"])).collect();
        for entry in log("performance") {
            let event: Value = serde_json::from_str(&text(&entry["message"])).expect("an event is JSON");
            let url = text(&event["message"]["params"]["request"]["url"]);
            let sent = event["message"]["method"] == "Network.requestWillBeSent";
            if sent && !["file:", "data:", "about:"].iter().any(|scheme| url.starts_with(scheme)) {
                troubles.push(format!("it asked for {url}"));
            }
        }
        troubles
    }

    fn post(&mut self, what: &str, body: Value) -> Value {
        let request = ureq::post(format!("{}/{what}", self.session)).config().http_status_as_error(false).build();
        let mut answer = request.send(body.to_string()).expect("the driver lives and answers");
        let answer = answer.body_mut().with_config().limit(u64::MAX).read_to_string().expect("it answers in text");
        let answer: Value = serde_json::from_str(&answer).expect("it answers in JSON");
        assert!(answer["value"]["error"].is_null(), "{what}: {}", answer["value"]["message"]);
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends the browser, and removes the browser's profile.
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}
