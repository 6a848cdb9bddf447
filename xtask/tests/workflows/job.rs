//! One job: its steps, one after the other, each in a shell of the kind that GitHub would start.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::actions;
use crate::github::{GitHub, Scope};
use crate::model::{PlannedRun, Step};

/// A job that has ended.
pub struct JobRun {
    pub id: String,
    pub name: String,
    /// success, failure or skipped.
    pub result: &'static str,
    pub outputs: Map<String, Value>,
    /// The steps and how each ended.
    pub steps: Vec<(String, &'static str)>,
    /// What the steps printed.
    pub log: String,
    /// What they wrote for the page of the run.
    pub summary: String,
}

impl JobRun {
    pub fn without_steps(id: &str, result: &'static str, log: &str) -> JobRun {
        JobRun {
            id: id.into(),
            name: id.into(),
            result,
            outputs: Map::new(),
            steps: Vec::new(),
            log: log.into(),
            summary: String::new(),
        }
    }

    pub fn step(&self, title: &str) -> &'static str {
        let step = self.steps.iter().find(|(name, _)| name == title);
        step.unwrap_or_else(|| panic!("{} has no step {title:?}: {:?}", self.name, self.steps)).1
    }
}

/// A job that runs.
pub struct Running<'a> {
    pub github: &'a mut GitHub,
    job: &'a PlannedRun,
    pub scope: Scope<'a>,
    temp: PathBuf,
    /// What steps set for those behind them.
    env: BTreeMap<String, String>,
    path: Vec<String>,
    run: JobRun,
}

/// Variables of cargo that belong to this test and not to a step. Where things are kept stays.
fn foreign(name: &str) -> bool {
    let stays = ["CARGO_HOME", "CARGO_TARGET_DIR", "RUSTUP_HOME"].contains(&name)
        || ["CARGO_HTTP", "CARGO_NET", "CARGO_REGISTR", "CARGO_SOURCE"].iter().any(|prefix| name.starts_with(prefix));
    let test = ["CARGO", "RUST", "GITHUB_", "RUNNER_", "INSTA_", "LD_LIBRARY_PATH", "NO_COLOR"];
    !stays && test.iter().any(|prefix| name.starts_with(prefix))
}

impl<'a> Running<'a> {
    pub fn new(github: &'a mut GitHub, id: &str, job: &'a PlannedRun, scope: Scope<'a>) -> Self {
        let temp = github.dir.path().join("temp");
        // GitHub empties it for every job.
        let _ = fs::remove_dir_all(&temp);
        fs::create_dir_all(&temp).expect("a directory");
        let mut run = JobRun::without_steps(id, "success", "");
        run.name = scope.text(&job.name.clone().into());
        let mut running = Running { github, job, scope, temp, env: BTreeMap::new(), path: Vec::new(), run };
        running.scope.values.insert("steps", json!({}));
        running.note_env();
        if let Some(container) = &job.container {
            let options = running.scope.text(&container.options.clone().unwrap_or_default().into());
            running.run.log = format!("container {} {options}\n", running.scope.text(&container.image.clone().into()));
        }
        running
    }

    /// The variables of a step; its own come last.
    fn variables(&self, step: Option<&Step>) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        self.scope.add_env(&mut env, &self.scope.workflow.env);
        self.scope.add_env(&mut env, &self.job.env);
        env.extend(self.env.clone());
        if let Some(step) = step {
            self.scope.add_env(&mut env, &step.env);
        }
        env
    }

    fn note_env(&mut self) {
        let env = self.variables(None);
        self.scope.values.insert("env", json!(env));
    }

    pub fn finish(mut self) -> JobRun {
        let mut afterwards = Vec::new();
        for step in &self.job.steps {
            if !self.scope.allows(step.r#if.as_deref()) {
                self.end(step, "skipped", Map::new());
                continue;
            }
            match (&step.run, &step.uses) {
                (Some(script), None) => self.script(step, script),
                (None, Some(uses)) => {
                    let with: BTreeMap<String, String> =
                        step.with.iter().map(|(key, value)| (key.clone(), self.scope.text(value))).collect();
                    match actions::run(&mut self, uses, &with) {
                        Ok(done) => {
                            afterwards.extend(done.afterwards);
                            self.end(step, "success", done.outputs);
                        }
                        Err(error) => {
                            self.run.log += &format!("{uses}: {error}\n");
                            self.end(step, "failure", Map::new());
                        }
                    }
                }
                _ => panic!("{}: either run or uses", step.title()),
            }
        }
        // As the action that keeps a cache at the end of a job: only a job that succeeded.
        if !self.scope.failed {
            self.github.caches.extend(afterwards);
        }
        self.run.result = if self.scope.failed { "failure" } else { "success" };
        for (name, value) in &self.job.outputs {
            self.run.outputs.insert(name.clone(), self.output(value));
        }
        self.run
    }

    /// An output of the job; one that nobody set is empty only if something failed before.
    fn output(&self, value: &str) -> Value {
        if self.scope.failed {
            let value = crate::expression::template(value, &self.scope);
            return value.unwrap_or_else(|_| "".into());
        }
        self.scope.value(value)
    }

    fn end(&mut self, step: &Step, outcome: &'static str, outputs: Map<String, Value>) {
        self.scope.failed |= outcome == "failure";
        self.run.steps.push((step.title().into(), outcome));
        if let (Some(id), Some(steps)) = (&step.id, self.scope.values.get_mut("steps").and_then(Value::as_object_mut)) {
            steps.insert(id.clone(), json!({ "outcome": outcome, "outputs": outputs }));
        }
    }

    fn script(&mut self, step: &Step, script: &str) {
        let file = |name: &str| {
            let path = self.temp.join(format!("_{name}"));
            fs::write(&path, "").expect("a file");
            path
        };
        let [output, env, path, summary] = ["output", "env", "path", "summary"].map(file);
        let body = self.temp.join("_script.sh");
        fs::write(&body, self.scope.text(&script.into())).expect("a file");
        let defaults = (&self.job.defaults.run, &self.scope.workflow.defaults.run);
        let shell = step.shell.as_ref().or(defaults.0.shell.as_ref()).or(defaults.1.shell.as_ref());
        let words: &[&str] = match (shell.map(String::as_str), &self.job.container) {
            (Some("bash"), _) => &["bash", "--noprofile", "--norc", "-eo", "pipefail"],
            (Some("sh"), _) | (None, Some(_)) => &["sh", "-e"],
            (None, None) => &["bash", "-e"],
            (Some(other), _) => panic!("the shell {other} is not known here"),
        };
        let place = step
            .working_directory
            .as_ref()
            .or(defaults.0.working_directory.as_ref())
            .or(defaults.1.working_directory.as_ref());
        let dir = place.map_or_else(|| self.github.workspace.clone(), |dir| self.github.workspace.join(dir));

        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(&body).current_dir(dir).stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| foreign(name)) {
            command.env_remove(name);
        }
        let own = std::env::var("PATH").expect("there is a PATH");
        let first =
            self.path.iter().rev().cloned().chain(self.github.programs.iter().map(|dir| dir.display().to_string()));
        command.env("PATH", first.chain([own]).collect::<Vec<_>>().join(":"));
        command.envs(&self.github.env).envs(self.variables(Some(step))).env("CI", "true").env("GITHUB_ACTIONS", "true");
        command.env("GITHUB_WORKSPACE", &self.github.workspace).env("RUNNER_TEMP", &self.temp);
        command.env("GITHUB_OUTPUT", &output).env("GITHUB_ENV", &env).env("GITHUB_PATH", &path);
        command.env("GITHUB_STEP_SUMMARY", &summary);
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        command.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        let mut child = command.spawn().expect("there is a shell");
        drop(command);
        let mut said = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut said).expect("the pipe can be read");
        let status = child.wait().expect("it is ours");

        self.run.log += &format!("== {}\n{}", step.title(), String::from_utf8_lossy(&said));
        self.run.summary += &fs::read_to_string(&summary).expect("it was made");
        for (name, value) in assignments(&env) {
            assert!(!name.starts_with("GITHUB_") && !name.starts_with("RUNNER_"), "{name} cannot be set");
            self.env.insert(name, value);
        }
        self.path.extend(fs::read_to_string(&path).expect("it was made").lines().map(String::from));
        self.note_env();
        let outputs = assignments(&output).into_iter().map(|(name, value)| (name, value.into())).collect();
        if !status.success() {
            self.run.log += &format!("== {}: {status}\n", step.title());
        }
        self.end(step, if status.success() { "success" } else { "failure" }, outputs);
    }
}

/// What a step wrote for those behind it: `name=value`, or `name<<END`, lines, `END`.
fn assignments(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).expect("it was made");
    let (mut lines, mut found) = (text.lines(), Vec::new());
    while let Some(line) = lines.next() {
        if let Some((name, value)) = line.split_once('=') {
            found.push((name.to_string(), value.to_string()));
        } else if let Some((name, end)) = line.split_once("<<") {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            found.push((name.to_string(), value.join("\n")));
        } else {
            assert!(line.is_empty(), "{line:?} is neither name=value nor name<<END");
        }
    }
    found
}
