//! Tests that docs/report.schema.json and the tables of docs/report.md match the types of a report, and that reports match the
//! schema. `UPDATE=1 cargo test -p harness schema` writes both files, unless the format changed without a new version.

use std::fmt::Write;
use std::path::PathBuf;

use schemars::{Schema, generate::SchemaSettings};
use serde_json::Value;

use crate::judge::complaint;
use crate::judge::complaint_time::ComplaintTime;
use crate::judge::transcript::{CaseRun, TranscriptStep};
use crate::judge::verdict::{Verdict, VerdictCount};
use crate::report::provenance::Provenance;
use crate::report::run_report::{RunReport, SCHEMA, tests::report};
use crate::session::rounds::RoundsSummary;

#[path = "../../tests/common/keeps_to.rs"]
mod keeps_to;
use keeps_to::keeps_to;

/// Every verdict that there is.
pub fn verdicts() -> Vec<Verdict> {
    let text = || "x".to_string();
    let worst = Box::new(Verdict::Failed { reasons: vec![text()] });
    vec![
        Verdict::Pass,
        Verdict::ExpectedHazard { reason: text() },
        Verdict::HazardGone,
        Verdict::Skipped { need: text(), why: text() },
        Verdict::UnexpectedSkip { need: text(), why: text() },
        Verdict::Failed { reasons: vec![text(), text()] },
        Verdict::KnownDefect { reason: text(), reasons: vec![text()] },
        Verdict::DefectGone { reason: text() },
        Verdict::Breaks { reasons: vec![text()] },
        Verdict::Unbroken,
        Verdict::Differs { diff: text() },
        Verdict::Recorded { diff: text() },
        Verdict::Unreviewed,
        Verdict::Broken { why: text() },
        Verdict::Lost { begun: true, how: text() },
        Verdict::NotRun { why: text() },
        Verdict::Blocked { by: text() },
        Verdict::Flaky { seen: vec![VerdictCount { word: text(), times: 2 }], transcripts: 2, diff: text(), worst },
    ]
}

/// A report with every kind of value.
fn full() -> RunReport {
    use cases::protocol::Outcome;
    let mut report = report(verdicts());
    let text = || "x".to_string();
    let outcomes = [
        Some(Outcome::Pass),
        Some(Outcome::Fail),
        Some(Outcome::Skip { need: text(), why: text() }),
        Some(Outcome::Broken { why: text() }),
        Some(Outcome::Killed { signal: text() }),
        Some(Outcome::TimedOut),
        Some(Outcome::Leaked { what: text() }),
        None,
    ];
    for (verdict, outcome) in report.verdicts.iter_mut().zip(outcomes) {
        let steps = vec![
            TranscriptStep::Call { text: text(), result: Some(text()) },
            TranscriptStep::Call { text: text(), result: None },
            TranscriptStep::Check { sentence: text(), holds: false, detail: text(), clause: None },
            TranscriptStep::Hazard { sentence: text(), present: true },
            TranscriptStep::Note(text()),
        ];
        verdict.run = Some(CaseRun { key: verdict.key.clone(), steps, outcome, ms: 5, protocol_errors: vec![text()] });
    }
    let consoles = root().join("harness/tests/consoles");
    let console = |name: &str| std::fs::read(consoles.join(name)).expect("a recorded console");
    report.verdicts[0].complaints = complaint::scan(&console("7.2-abba.log"));
    assert!(!report.verdicts[0].complaints.is_empty());
    for (verdict, moment) in report.verdicts[1..].iter_mut().zip([
        ComplaintTime::During(text()),
        ComplaintTime::Before(text()),
        ComplaintTime::AfterLastStep,
        ComplaintTime::Unknown,
    ]) {
        verdict.complaints = complaint::scan(&console("6.1-null.log"));
        verdict.complaints.iter_mut().for_each(|complaint| complaint.moment = moment.clone());
    }
    report.rounds = Some(RoundsSummary { run: 3, asked: Some(3), identical: 1, deviating: vec![2] });
    report.provenance = Some(Provenance::default());
    report.setting.notes.push(text());
    report.elsewhere.push(report.verdicts[0].key.clone());
    report
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The schema for readers. Fields that are always written are required, even if this program accepts earlier reports without
/// them.
fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema: Schema = settings.into_generator().into_root_schema_for::<RunReport>();
    schema.insert("$id".into(), format!("urn:dmabuf-alias-conformance:report:{SCHEMA}").into());
    schema.insert("title".into(), "report.json of dmabuf-alias-conformance".into());
    let mut value = schema.to_value();
    value["properties"]["schema"]["const"] = SCHEMA.into();
    value
}

/// The version of a schema.
fn version(schema: &Value) -> Option<u64> {
    schema["properties"]["schema"]["const"].as_u64()
}

/// The schema without descriptions.
fn structure(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, value)| *key != "description" || !value.is_string());
            kept.map(|(key, value)| (key.clone(), structure(value))).collect()
        }
        Value::Array(items) => items.iter().map(structure).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_committed_schema_matches_the_types() {
    let path = root().join("docs/report.schema.json");
    let made = schema();
    let committed = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let committed = committed.unwrap_or_default();
    if structure(&made) != structure(&committed) {
        assert_ne!(
            version(&made),
            version(&committed),
            "the format of the report changed: raise SCHEMA in harness/src/report/run_report.rs, add the change to docs/report.md, then \
             UPDATE=1"
        );
    }
    if std::env::var_os("UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&made).expect("a schema can be written") + "\n";
        std::fs::write(&path, text).expect("docs can be written");
    } else {
        assert!(made == committed, "docs/report.schema.json is out of date: UPDATE=1 cargo test -p harness schema");
    }
}

#[test]
fn the_page_explains_every_field() {
    let path = root().join("docs/report.md");
    let (start, end) = ("<!-- fields -->\n", "<!-- end of the fields -->");
    let page = std::fs::read_to_string(&path).expect("docs/report.md is there");
    let (before, rest) = page.split_once(start).expect("the page says where its tables start");
    let (tables, after) = rest.split_once(end).expect("the page says where its tables end");
    let wanted = tables_of(&schema());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, [before, start, &wanted, end, after].concat()).expect("docs can be written");
    } else {
        assert!(tables == wanted, "docs/report.md is out of date: UPDATE=1 cargo test -p harness schema");
    }
    assert!(page.contains(&format!("| {SCHEMA} |")), "docs/report.md does not describe version {SCHEMA}");
}

#[test]
fn reports_match_the_schema() {
    let schema = schema();
    let value = |report: &RunReport| serde_json::to_value(report).expect("a report can be encoded");
    for report in [report(vec![]), report(verdicts()), full()] {
        assert_eq!(keeps_to(&value(&report), &schema), Ok(()));
    }
    for (spoil, place) in [
        (
            (|value| value["verdicts"][0]["verdict"] = "fine".into()) as fn(&mut Value),
            "'/verdicts/0' [S#/$defs/CaseVerdict/oneOf]: oneOf failed",
        ),
        (|value| value["verdicts"][5]["reasons"][1] = 7.into(), "/verdicts/5/reasons/1"),
        (
            |value| value["verdicts"][0]["reasons"] = 7.into(),
            "'/verdicts/0/reasons' [S#/properties/verdicts/items/unevaluatedProperties]",
        ),
        (|value| value["schema"] = 3.into(), "/schema/const]: value must be 9"),
        (
            |value| value["setting"]["built"] = "no".into(),
            "'/setting/built' [S#/$defs/RunSetting/properties/built/type]: want boolean",
        ),
        (|value| drop(value.as_object_mut().unwrap().remove("guests")), "missing properties 'guests'"),
        (|value| value["guests"] = (-1).into(), "/guests/minimum]: must be >=0"),
        (|value| value["verdicts"][0]["run"]["outcome"] = "pass".into(), "/verdicts/0/run/outcome"),
        (|value| value["verdicts"][1]["complaints"][0]["moment"] = "later".into(), "/verdicts/1/complaints/0/moment"),
    ] {
        let mut value = value(&full());
        spoil(&mut value);
        let wrong = keeps_to(&value, &schema).unwrap_err();
        assert!(wrong.contains(place), "{place} is not in: {wrong}");
    }
}

/// A table for the report and each type in it.
fn tables_of(schema: &Value) -> String {
    let mut text = table("report", schema);
    for (name, definition) in schema["$defs"].as_object().expect("there are types") {
        text += &table(name, definition);
    }
    text
}

fn table(name: &str, schema: &Value) -> String {
    let mut text = format!("\n### {name}\n\n{}\n\n| field | type | meaning |\n|---|---|---|\n", described(schema));
    for (field, value) in fields(schema) {
        let required = schema["required"].as_array().is_some_and(|names| names.iter().any(|name| name == field));
        let maybe = if required { "" } else { ", may be absent" };
        let _ = writeln!(text, "| `{field}` | {}{maybe} | {} |", type_of(value), described(value));
    }
    let variants: Vec<&Value> = schema["oneOf"].as_array().into_iter().flatten().collect();
    if variants.iter().any(|variant| variant["properties"]["verdict"]["const"] == "pass") && name != "Verdict" {
        return text + "\nBeside these it has the fields of its [Verdict](#verdict).\n";
    }
    variants.into_iter().for_each(|variant| text += &rows(variant));
    text
}

/// The rows of a variant; one for each value if it is an enum of strings.
fn rows(variant: &Value) -> String {
    let words = variant["enum"].as_array().into_iter().flatten().chain(variant.get("const"));
    let mut text: String = words.map(|word| format!("| | `{word}` | {} |\n", described(variant))).collect();
    let tag = fields(variant).find_map(|(field, value)| Some((field, value.get("const")?)));
    let inside: Vec<String> = fields(variant).filter(|(_, value)| value.get("const").is_none()).map(field).collect();
    match tag {
        Some((tag, word)) => {
            let _ = writeln!(text, "| `{tag}` | `{word}`{} | {} |", with(&inside), described(variant));
        }
        None => fields(variant).for_each(|(name, value)| {
            let _ = writeln!(text, "| `{name}` | {} | {} |", type_of(value), described(variant));
        }),
    }
    text
}

fn with(fields: &[String]) -> String {
    if fields.is_empty() { String::new() } else { format!(" with {}", fields.join(" ")) }
}

fn fields(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn field((name, value): (&String, &Value)) -> String {
    format!("`{name}` ({}): {}", type_of(value), described(value))
}

fn described(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

/// The name of a type.
fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/$defs/");
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return any.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    let word = |name: &Value| match name.as_str() {
        Some("array") => format!("list of {}", type_of(&schema["items"])),
        Some("object") => fields(schema).map(field).collect::<Vec<_>>().join(" "),
        name => name.unwrap_or_default().to_string(),
    };
    match &schema["type"] {
        Value::Array(names) => names.iter().map(word).collect::<Vec<_>>().join(" or "),
        name => word(name),
    }
}
