//! Runs workflows as GitHub would, on this machine: jobs in the order of their needs, cells one after the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::expression::{self, Context};
use crate::job::{JobRun, Running};
use crate::model::{Job, Workflow};

/// A GitHub in small: what outlives a job.
pub struct GitHub {
    pub dir: tempfile::TempDir,
    /// The checkout that the steps work in.
    pub workspace: PathBuf,
    /// Goes before the PATH of this machine.
    pub programs: Option<PathBuf>,
    /// Keys that something was cached under. The contents lie where they are.
    pub caches: Vec<String>,
    /// Added to the environment of every step.
    pub env: BTreeMap<String, String>,
}

/// What made a workflow run.
pub struct Event {
    pub name: &'static str,
    pub inputs: BTreeMap<&'static str, String>,
}

/// A run of a workflow.
#[derive(Default)]
pub struct Run {
    pub jobs: Vec<JobRun>,
}

impl Event {
    pub fn push() -> Event {
        Event { name: "push", inputs: BTreeMap::new() }
    }

    pub fn dispatch(inputs: &[(&'static str, &str)]) -> Event {
        let inputs = inputs.iter().map(|(name, value)| (*name, value.to_string())).collect();
        Event { name: "workflow_dispatch", inputs }
    }
}

impl Run {
    /// The instances of a job; a job without a matrix has one.
    pub fn job(&self, id: &str) -> Vec<&JobRun> {
        self.jobs.iter().filter(|job| job.id == id).collect()
    }

    /// How the only instance of a job ended.
    pub fn only(&self, id: &str) -> &JobRun {
        let jobs = self.job(id);
        assert_eq!(jobs.len(), 1, "instances of {id}");
        jobs[0]
    }

    fn result(&self, id: &str) -> &'static str {
        let results: Vec<&str> = self.job(id).iter().map(|job| job.result).collect();
        ["failure", "cancelled", "skipped"].into_iter().find(|bad| results.contains(bad)).unwrap_or("success")
    }
}

/// What expressions of one job can name.
#[derive(Clone)]
pub struct Scope<'a> {
    pub workflow: &'a Workflow,
    pub job: Option<&'a Job>,
    pub workspace: PathBuf,
    pub values: BTreeMap<&'static str, Value>,
    /// Whether a step, or a job that is needed, has failed.
    pub failed: bool,
    /// Whether something that is needed was skipped.
    pub skipped: bool,
}

impl Context for Scope<'_> {
    fn named(&self, name: &str) -> Result<Value, String> {
        self.values.get(name).cloned().ok_or_else(|| format!("{name} is not known here"))
    }

    fn absent(&self, path: &str) -> Result<Value, String> {
        let names: Vec<&str> = path.split('.').collect();
        let contained = self.job.is_some_and(|job| job.container.is_some());
        match names.as_slice() {
            // Empty unless somebody fills in the form.
            ["inputs", name] if self.form().is_some_and(|form| form.contains_key(*name)) => Ok("".into()),
            // A job that did not come to its end has no outputs.
            ["needs", job, "outputs", name] => match self.workflow.jobs.get(*job) {
                Some(job) if job.outputs.contains_key(*name) => Ok("".into()),
                _ => Err(format!("{path}: there is no such output")),
            },
            ["github", "workspace"] | ["runner", "temp"] if contained => {
                Err(format!("{path} is a place on the machine around the container; the variable is the right one"))
            }
            _ => Err(format!("{path} is not known here")),
        }
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        match (name, args) {
            ("always", []) => Ok(true.into()),
            ("cancelled", []) => Ok(false.into()),
            ("failure", []) => Ok(self.failed.into()),
            ("success", []) => Ok((!self.failed && !self.skipped).into()),
            ("hashFiles", [Value::String(file)]) => {
                let bytes = std::fs::read(self.workspace.join(file)).map_err(|error| format!("{file}: {error}"))?;
                Ok(harness::host::store::manifest::sha256_of(&bytes).into())
            }
            _ => Err(format!("{name}({args:?}) is not known here")),
        }
    }
}

impl Scope<'_> {
    fn form(&self) -> Option<&Map<String, Value>> {
        self.workflow.on.get("workflow_dispatch")?.get("inputs")?.as_object()
    }

    /// The value of text with expressions in it.
    pub fn value(&self, text: &str) -> Value {
        expression::template(text, self).unwrap_or_else(|error| panic!("{}: {text:?}: {error}", self.workflow.name))
    }

    pub fn text(&self, value: &Value) -> String {
        let value = value.as_str().map_or_else(|| value.clone(), |text| self.value(text));
        expression::text(&value).unwrap_or_else(|error| panic!("{}: {error}", self.workflow.name))
    }

    /// Whether something with this condition happens.
    pub fn allows(&self, condition: Option<&str>) -> bool {
        let success = !self.failed && !self.skipped;
        let Some(condition) = condition else { return success };
        let answer = expression::condition(condition).and_then(|expr| {
            if !expr.asks_for_status() && !success {
                return Ok(false);
            }
            Ok(expression::truthy(&expr.value(self)?))
        });
        answer.unwrap_or_else(|error| panic!("{}: if: {condition}: {error}", self.workflow.name))
    }

    /// Adds variables, later ones on top.
    pub fn add_env(&self, env: &mut BTreeMap<String, String>, more: &Map<String, Value>) {
        for (name, value) in more {
            env.insert(name.clone(), self.text(value));
        }
    }
}

impl GitHub {
    pub fn new(workspace: &Path) -> GitHub {
        GitHub {
            dir: tempfile::tempdir().expect("a temporary directory"),
            workspace: workspace.to_path_buf(),
            programs: None,
            caches: Vec::new(),
            env: BTreeMap::new(),
        }
    }

    /// Where uploaded artifacts are, each in a directory of its name.
    pub fn artifacts(&self) -> PathBuf {
        self.dir.path().join("artifacts")
    }

    /// Runs a workflow.
    pub fn run(&mut self, workflow: &Workflow, event: &Event) -> Run {
        assert!(workflow.on.contains_key(event.name), "{} does not run on {}", workflow.name, event.name);
        // Artifacts belong to a run; caches stay.
        let _ = std::fs::remove_dir_all(self.artifacts());
        std::fs::create_dir_all(self.artifacts()).expect("a directory");
        let mut run = Run::default();
        for (id, _) in workflow.in_order() {
            self.once_more(workflow, event, &mut run, id);
        }
        run
    }

    /// Runs one job, on what those before it have left.
    pub fn once_more(&mut self, workflow: &Workflow, event: &Event, run: &mut Run, id: &str) {
        run.jobs.retain(|job| job.id != id);
        let job = &workflow.jobs[id];
        let mut scope = self.scope(workflow, event);
        if let Some(concurrency) = &workflow.concurrency {
            concurrency.values().for_each(|value| drop(scope.text(value)));
        }
        let mut needs = Map::new();
        for need in &job.needs.0 {
            let (result, jobs) = (run.result(need), run.job(need));
            let outputs = if jobs.len() == 1 { jobs[0].outputs.clone() } else { Map::new() };
            needs.insert(need.clone(), json!({ "result": result, "outputs": outputs }));
            scope.failed |= result == "failure";
            scope.skipped |= result == "skipped";
        }
        scope.values.insert("needs", needs.into());
        scope.job = Some(job);
        if !scope.allows(job.r#if.as_deref()) {
            run.jobs.push(JobRun::without_steps(id, "skipped", ""));
            return;
        }
        // From here on only its own steps count.
        (scope.failed, scope.skipped) = (false, false);
        let Some(strategy) = &job.strategy else {
            run.jobs.push(Running::new(self, id, job, scope).finish());
            return;
        };
        let matrix = scope.value(&strategy.matrix);
        let cells = matrix["include"].as_array().expect("the matrix is a list of cells");
        if cells.is_empty() {
            run.jobs.push(JobRun::without_steps(id, "failure", "the matrix has no cells"));
        }
        for cell in cells {
            let mut scope = scope.clone();
            scope.values.insert("matrix", cell.clone());
            let cell = Running::new(self, id, job, scope).finish();
            let stop = cell.result == "failure" && strategy.fail_fast != Some(false);
            run.jobs.push(cell);
            if stop {
                break;
            }
        }
    }

    fn scope<'a>(&self, workflow: &'a Workflow, event: &Event) -> Scope<'a> {
        let github =
            json!({ "event_name": event.name, "ref": "refs/heads/main", "run_id": "1", "sha": "0".repeat(40) });
        let runner = json!({ "os": "Linux", "arch": "X64" });
        let values = [("github", github), ("inputs", json!(event.inputs)), ("runner", runner)];
        let workspace = self.workspace.clone();
        Scope { workflow, job: None, workspace, values: values.into(), failed: false, skipped: false }
    }
}
