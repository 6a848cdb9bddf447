//! A workflow file as types. A key that is not here is an error: what nobody reads is not executed either.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    pub name: String,
    pub on: BTreeMap<String, Value>,
    pub permissions: Option<Value>,
    pub concurrency: Option<Map<String, Value>>,
    #[serde(default)]
    pub env: Map<String, Value>,
    #[serde(default)]
    pub defaults: Defaults,
    pub jobs: BTreeMap<String, PlannedRun>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    #[serde(default)]
    pub run: RunDefaults,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunDefaults {
    pub shell: Option<String>,
    pub working_directory: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PlannedRun {
    pub name: String,
    #[serde(default)]
    pub needs: Names,
    pub r#if: Option<String>,
    pub runs_on: String,
    pub timeout_minutes: Option<u32>,
    pub permissions: Option<Value>,
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    pub strategy: Option<Strategy>,
    pub container: Option<Container>,
    #[serde(default)]
    pub env: Map<String, Value>,
    #[serde(default)]
    pub defaults: Defaults,
    pub steps: Vec<Step>,
}

/// One name or several.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Value")]
pub struct Names(pub Vec<String>);

impl From<Value> for Names {
    fn from(value: Value) -> Self {
        let list = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        Names(list.iter().map(|name| name.as_str().expect("a name is text").to_string()).collect())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Strategy {
    pub fail_fast: Option<bool>,
    pub matrix: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    pub image: String,
    pub options: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    pub name: Option<String>,
    pub id: Option<String>,
    pub r#if: Option<String>,
    pub uses: Option<String>,
    #[serde(default)]
    pub with: Map<String, Value>,
    pub run: Option<String>,
    pub shell: Option<String>,
    pub working_directory: Option<String>,
    pub timeout_minutes: Option<u32>,
    #[serde(default)]
    pub env: Map<String, Value>,
}

impl Step {
    /// What people see of it.
    pub fn title(&self) -> &str {
        self.name.as_deref().or(self.uses.as_deref()).unwrap_or("run")
    }
}

impl Workflow {
    pub fn parse(text: &str) -> Workflow {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The jobs, each behind those that it needs.
    pub fn in_order(&self) -> Vec<(&str, &PlannedRun)> {
        let mut order: Vec<(&str, &PlannedRun)> = Vec::new();
        while order.len() < self.jobs.len() {
            let ready = self.jobs.iter().find(|(name, job)| {
                let done = |wanted: &str| order.iter().any(|(name, _)| *name == wanted);
                !done(name) && job.needs.0.iter().all(|need| done(need))
            });
            let (name, job) =
                ready.unwrap_or_else(|| panic!("{}: jobs need each other, or one that is not there", self.name));
            order.push((name, job));
        }
        order
    }

    pub fn steps(&self) -> impl Iterator<Item = (&str, &Step)> {
        self.jobs.iter().flat_map(|(name, job)| job.steps.iter().map(move |step| (name.as_str(), step)))
    }
}

/// The files of this repository, by name.
pub fn files() -> Vec<(PathBuf, String)> {
    let dir = crate::common::root().join(".github/workflows");
    let entries = std::fs::read_dir(&dir).expect("there are workflows").flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    assert!(files.len() >= 2, "workflows are gone: {files:?}");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("it is text");
        (Path::new(path.file_name().expect("it has a name")).to_path_buf(), text)
    };
    files.into_iter().map(read).collect()
}

pub fn workflow(name: &str) -> Workflow {
    let files = files();
    let (_, text) = files.iter().find(|(path, _)| path == Path::new(name)).expect("the workflow is there");
    Workflow::parse(text)
}
