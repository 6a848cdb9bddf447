//! The play itself: it must not be kinder than GitHub.

use serde_json::json;

use crate::expression::{Context, condition, template};
use crate::github::{Event, GitHub, Run};
use crate::job::JobRun;
use crate::model::Workflow;

fn run(text: &str) -> Run {
    let dir = tempfile::tempdir().expect("a directory");
    GitHub::new(dir.path()).run(&Workflow::parse(text), &Event::push())
}

/// One job with some steps.
fn job(head: &str, steps: &str) -> JobRun {
    let text =
        format!("{{name: x, on: {{push: {{}}}}, jobs: {{a: {{name: a, runs-on: x, {head} steps: [{steps}]}}}}}}");
    run(&text).jobs.remove(0)
}

fn results(job: &JobRun) -> Vec<&str> {
    job.steps.iter().map(|(_, how)| *how).collect()
}

#[test]
fn a_failed_step_skips_the_others_but_not_those_that_always_run() {
    let job = job(
        "",
        "{run: 'false'}, {run: echo two}, {run: echo three, if: always()}, {run: echo four, if: '!cancelled()'}",
    );
    assert_eq!(results(&job), ["failure", "skipped", "success", "success"]);
    assert_eq!(job.result, "failure");
    assert!(job.log.contains("three") && !job.log.contains("two"), "{}", job.log);
}

#[test]
fn a_shell_that_nobody_chose_is_sh_in_a_container_and_has_no_pipefail() {
    let script = "{run: 'false | cat; echo $0 ${BASH_VERSION:+bash}'}";
    let (host, container) = (job("", script), job("container: {image: x},", script));
    assert_eq!((host.result, container.result), ("success", "success"));
    assert!(host.log.contains(" bash") && !container.log.contains(" bash"), "{}{}", host.log, container.log);
    assert_eq!(job("defaults: {run: {shell: bash}}, container: {image: x},", script).result, "failure");
}

#[test]
fn steps_hand_on_variables_outputs_and_paths() {
    let job = job(
        "outputs: {o: '${{ steps.one.outputs.x }}'},",
        r#"{id: one, run: 'echo x=7 >> "$GITHUB_OUTPUT"; printf "V<<E\na\nb\nE\n" >> "$GITHUB_ENV"; echo /p >> "$GITHUB_PATH"'},
           {run: 'echo "$V,$W,${PATH%%:*}"; echo page >> "$GITHUB_STEP_SUMMARY"', env: {W: "${{ steps.one.outputs.x }}"}}"#,
    );
    assert_eq!(job.result, "success", "{}", job.log);
    assert!(job.log.contains("a\nb,7,/p\n"), "{}", job.log);
    assert_eq!((job.summary.as_str(), &job.outputs["o"]), ("page\n", &json!("7")));
}

#[test]
fn jobs_wait_for_what_they_need_and_are_skipped_without_it() {
    let step = "steps: [{run: 'true'}]";
    let run = run(&format!(
        "{{name: x, on: {{push: {{}}}}, jobs: {{
            a: {{name: a, runs-on: x, needs: [b], {step}}},
            b: {{name: b, runs-on: x, steps: [{{run: 'false'}}]}},
            c: {{name: c, runs-on: x, needs: [a, b], if: always(), {step}}},
            d: {{name: d, runs-on: x, strategy: {{matrix: \"${{{{ fromJSON('{{\\\"include\\\":[]}}') }}}}\"}}, {step}}}}}}}"
    ));
    let results: Vec<(&str, &str)> = run.jobs.iter().map(|job| (job.id.as_str(), job.result)).collect();
    assert_eq!(results, [("b", "failure"), ("a", "skipped"), ("c", "success"), ("d", "failure")]);
}

#[test]
fn an_upload_of_nothing_fails() {
    let upload = "{uses: actions/upload-artifact@x, with: {name: n, path: nothing, if-no-files-found: error}}";
    assert_eq!(job("", upload).result, "failure");
    let twice = "{uses: actions/upload-artifact@x, with: {name: n, path: .}}";
    let both = job("", &format!("{{run: echo > f}}, {twice}, {twice}"));
    assert_eq!(results(&both), ["success", "success", "failure"], "{}", both.log);
}

#[test]
#[should_panic(expected = "the input no-files is not known here")]
fn an_input_that_an_action_does_not_have_is_an_error() {
    job("", "{uses: actions/upload-artifact@x, with: {no-files: error}}");
}

#[test]
#[should_panic(expected = "env.CEL is not known here")]
fn a_variable_that_nobody_set_is_an_error() {
    job("env: {CELL: x},", "{run: 'true', env: {X: '${{ env.CEL }}'}}");
}

#[test]
#[should_panic(expected = "a place on the machine around the container")]
fn a_place_outside_of_the_container_is_an_error() {
    job("container: {image: x},", "{run: 'true', env: {X: '${{ runner.temp }}'}}");
}

struct Nothing;

impl Context for Nothing {
    fn named(&self, name: &str) -> Result<serde_json::Value, String> {
        Ok(json!({ "cells": { "include": [{ "id": "a" }, { "id": "b" }] }, "no": false, "name": name }))
    }
    fn absent(&self, path: &str) -> Result<serde_json::Value, String> {
        Err(format!("no {path}"))
    }
    fn call(&self, name: &str, _: &[serde_json::Value]) -> Result<serde_json::Value, String> {
        Ok((name != "failure").into())
    }
}

#[test]
fn expressions_mean_what_they_mean_on_github() {
    for (text, value) in [
        ("${{ x.no }}", json!(false)),
        ("a ${{ x.name }} ${{ x.no }}", json!("a x false")),
        ("${{ join(x.cells.include.*.id, ' ') }}", json!("a b")),
        ("${{ x.no && x.gone || 'else' }}", json!("else")),
        ("${{ !x.no && (x.name != 'y') }}", json!(true)),
        ("${{ fromJSON('[1]') }}", json!([1])),
    ] {
        assert_eq!(template(text, &Nothing), Ok(value), "{text}");
    }
    for text in
        ["${{ x.gone }}", "${{ x.no", "${{ format('{0}', x) }}", "${{ x.no == 'false' }}", "${{ x.name x }}", "${{ }}"]
    {
        assert!(template(text, &Nothing).is_err(), "{text} is understood");
    }
    assert!(condition("!cancelled() && x.no").unwrap().asks_for_status());
    assert!(!condition("${{ x.no == false }}").unwrap().asks_for_status());
}
