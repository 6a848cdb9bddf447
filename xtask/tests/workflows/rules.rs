//! What holds for every workflow file.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::expression;
use crate::model::{Workflow, files};

/// Fails with every offence, not only the first.
fn none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n{}", offences.join("\n"));
}

fn workflows() -> Vec<Workflow> {
    files().into_iter().map(|(_, text)| Workflow::parse(&text)).collect()
}

/// Lines that name an action, with what is wrong with each.
fn unpinned(text: &str) -> Vec<(String, Option<&'static str>)> {
    let uses = text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses:"));
    let judge = |line: &str| {
        let Some((action, rest)) = line.split_once('@') else { return Some("has no version") };
        let Some((id, version)) = rest.split_once(" # v") else { return Some("has no comment with its version") };
        if action.split('/').count() < 2 {
            return Some("is not the name of an action");
        }
        if id.len() != 40 || !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Some("is not pinned by a commit");
        }
        let numbers = version.split('.').collect::<Vec<_>>();
        let exact = numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok());
        (!exact).then_some("has no exact version in its comment")
    };
    uses.map(|line| (line.trim().to_string(), judge(line.trim()))).collect()
}

#[test]
fn every_action_is_pinned_by_a_commit_and_says_its_version() {
    let (mut offences, mut pins) = (Vec::new(), BTreeMap::new());
    let mut count = 0;
    for (path, text) in files() {
        for (line, fault) in unpinned(&text) {
            count += 1;
            offences.extend(fault.map(|fault| format!("{}: {line} {fault}", path.display())));
            if let Some((action, pin)) = line.split_once('@') {
                // actions/cache and actions/cache/save are one repository.
                let repository = action.split('/').take(2).collect::<Vec<_>>().join("/");
                let known = pins.entry(repository).or_insert_with(|| pin.to_string()).clone();
                if known != pin {
                    offences.push(format!("{}: {line}, and elsewhere {known}", path.display()));
                }
            }
        }
    }
    // Each step that uses an action was seen as text too.
    let steps = workflows().iter().flat_map(Workflow::steps).filter(|(_, step)| step.uses.is_some()).count();
    assert_eq!(count, steps, "lines with an action, and steps with one");
    none("actions", &offences);
}

#[test]
fn a_tag_or_half_a_commit_is_not_a_pin() {
    let id = "3d3c42e5aac5ba805825da76410c181273ba90b1";
    for line in [
        "- uses: actions/checkout",
        "- uses: actions/checkout@v7",
        "- uses: actions/checkout@v7 # v7.0.1",
        &format!("uses: actions/checkout@{id}"),
        &format!("uses: actions/checkout@{id} # v7"),
        &format!("uses: actions/checkout@{} # v7.0.1", &id[1..]),
    ] {
        assert!(unpinned(line)[0].1.is_some(), "{line}");
    }
    assert_eq!(unpinned(&format!("  - uses: actions/checkout@{id} # v7.0.1"))[0].1, None);
}

#[test]
fn every_job_may_read_and_nothing_else() {
    let mut offences = Vec::new();
    for workflow in workflows() {
        if workflow.permissions != Some(json!({})) {
            offences.push(format!("{}: `permissions: {{}}` at the top takes all away", workflow.name));
        }
        for (name, job) in &workflow.jobs {
            if job.permissions != Some(json!({ "contents": "read" })) {
                offences.push(format!("{}, {name}: a job has `contents: read`, or gives a reason here", workflow.name));
            }
        }
        for (job, step) in workflow.steps() {
            let checkout = step.uses.as_ref().is_some_and(|uses| uses.starts_with("actions/checkout@"));
            if checkout && step.with.get("persist-credentials") != Some(&Value::Bool(false)) {
                offences.push(format!("{}, {job}: the checkout leaves its token behind", workflow.name));
            }
        }
    }
    none("permissions", &offences);
}

#[test]
fn nothing_is_pasted_into_a_script() {
    let workflows = workflows();
    let scripts = workflows.iter().flat_map(|workflow| workflow.steps().map(move |(job, step)| (workflow, job, step)));
    let pasted = scripts.filter(|(_, _, step)| step.run.as_ref().is_some_and(|run| run.contains("${{")));
    let pasted: Vec<String> =
        pasted.map(|(workflow, job, step)| format!("{}, {job}: {}", workflow.name, step.title())).collect();
    none("a value goes into a script through `env:`; as text of the script it can be a command", &pasted);
}

#[test]
fn every_script_is_run_by_bash_and_bash_understands_it() {
    let mut offences = Vec::new();
    for workflow in workflows() {
        // Else it is sh in a container, and elsewhere bash without pipefail.
        if workflow.defaults.run.shell.as_deref() != Some("bash") {
            offences.push(format!("{}: `defaults: run: shell: bash` is missing", workflow.name));
        }
        for (job, step) in workflow.steps() {
            let Some(script) = &step.run else { continue };
            let output = Command::new("bash").args(["-n", "-c", script]).output().expect("there is a bash");
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                offences.push(format!("{}, {job}, {}: {said}", workflow.name, step.title()));
            }
        }
    }
    none("shells", &offences);
}

#[test]
fn every_job_and_its_long_step_has_a_limit() {
    for workflow in workflows() {
        for (name, job) in &workflow.jobs {
            let limit = job.timeout_minutes.unwrap_or_else(|| panic!("{}, {name}: no timeout-minutes", workflow.name));
            let long = job.steps.iter().filter_map(|step| step.timeout_minutes).sum::<u32>();
            assert!(long < limit, "{}, {name}: nothing is left to upload what was recorded", workflow.name);
        }
    }
}

#[test]
fn the_runner_that_looks_for_kvm_is_the_one_that_uses_it() {
    let conformance = crate::model::workflow("conformance.yml");
    assert_eq!(conformance.jobs["plan"].runs_on, conformance.jobs["conformance"].runs_on);
    assert!(conformance.jobs["plan"].container.is_none(), "in a container /dev/kvm is not to be seen");
}

#[test]
fn every_expression_is_one_that_the_runs_can_evaluate() {
    fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::String(text) => found.push(text),
            Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
            Value::Object(object) => object.values().for_each(|value| texts(value, found)),
            _ => {}
        }
    }
    let mut count = 0;
    for (path, text) in files() {
        let tree: Value = serde_saphyr::from_str(&text).expect("it is YAML");
        let mut found = Vec::new();
        texts(&tree, &mut found);
        for text in found {
            let pieces = expression::pieces(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            count += pieces.iter().filter(|piece| matches!(piece, expression::Piece::Expr(_))).count();
        }
    }
    assert!(count > 20, "{count} expressions: they were not found");
}
