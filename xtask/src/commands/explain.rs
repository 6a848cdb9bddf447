//! `cargo xtask explain`: what a clause promises or a case claims. Needs no kernel.

use cases::case::{Case, Judgement};
use cases::clause::{self, CLAUSES, Clause};
use cases::protocol::CaseKey;
use cases::suite;
use cases::variant::Variant;
use harness::error::{Error, ErrorKind, Result};
use harness::exit_code::ExitCode;
use harness::host::similar_names::similar_names;
use harness::host::style::wrap;
use importers::reviewed::ReviewedTable;

use crate::run::last_result::LastResults;

/// Prints the explanation.
///
/// # Errors
/// [`ErrorKind::Usage`] for a name that is neither a clause nor a case.
pub fn run(what: &str) -> Result<ExitCode> {
    if let Some(clause) = clause::find(what) {
        explain_clause(clause, &LastResults::load(), alike(clause)?);
        return Ok(ExitCode::AsExpected);
    }
    let key = CaseKey(what.into());
    let id = key.id();
    let fitting: Vec<&Case> = match suite::by_id(id) {
        Some(case) => vec![case],
        None => suite::CASES.iter().filter(|case| case.id().contains(id)).collect(),
    };
    if fitting.is_empty() {
        return Err(unknown(what));
    }
    let results = LastResults::load();
    for case in fitting {
        explain_case(case, &results);
    }
    Ok(ExitCode::AsExpected)
}

fn explain_clause(clause: &Clause, results: &LastResults, alike: Option<String>) {
    println!("{}  {}", clause.id, wrap(clause.claim, "      "));
    println!("\n  why   {}", wrap(clause.why, "        "));
    if let Some(text) = alike {
        println!("\n  alike {}", wrap(&text, "        "));
    }
    println!();
    let mut any = false;
    for case in suite::CASES.iter().filter(|case| case.clause == clause.id) {
        any = true;
        println!("  case  {}  ({}, on {})", case.id(), case.judgement.name(), exporters(case, &case.variants[0]));
        println!("        {}", wrap(&case.claim_text(), "        "));
        for variant in &case.variants[1..] {
            let line = format!("and {}, {}, on {}", case.name(variant), variant.about, exporters(case, variant));
            println!("        {}", wrap(&line, "        "));
        }
        for line in results.of(case) {
            println!("        last: {}", wrap(&line, "              "));
        }
    }
    if !any {
        println!("  No case judges this clause yet.");
    }
}

/// How many importers of the reviewed table behave as a hazard says, and where to see them.
fn alike(clause: &Clause) -> Result<Option<String>> {
    if !clause.id.starts_with("H-") {
        return Ok(None);
    }
    let text = match ReviewedTable::built_in()?.alike_in_words(clause.id) {
        Some(text) => format!("{text}. importers/reviewed.tsv and `cargo xtask importers` list them."),
        None => "no importer takes part: the dma-buf core does it, for every buffer.".into(),
    };
    Ok(Some(text))
}

fn explain_case(case: &Case, results: &LastResults) {
    println!("{}", case.id());
    println!("  {}", wrap(&case.claim_text(), "  "));
    println!("  exporters  {}", exporters(case, &case.variants[0]));
    println!("  needs      {}", needs(case, &case.variants[0]));
    for variant in &case.variants[1..] {
        let (name, on, needs) = (case.name(variant), exporters(case, variant), needs(case, variant));
        println!(
            "  variant    {}",
            wrap(&format!("{name}, {}: on {on}, needs {needs}", variant.about), "             ")
        );
    }
    match case.judgement {
        Judgement::Contract => println!("  judgement  contract: a violation is a failure on every kernel"),
        Judgement::Hazard(reason) => {
            println!("  judgement  hazard, a known limit that is expected: {}", wrap(reason, "             "))
        }
        Judgement::Record => {
            println!("  judgement  record: the contract has no rule; a change is reported as a difference")
        }
    }
    println!("  source     cases/src/suite/{}.rs", case.id());
    if let Some(clause) = clause::find(case.clause) {
        println!("  clause     {}: {}", clause.id, wrap(clause.claim, "             "));
        println!("  why        {}", wrap(clause.why, "             "));
    }
    for line in results.of(case) {
        println!("  last       {}", wrap(&line, "             "));
    }
    println!();
}

fn exporters(case: &Case, variant: &Variant) -> String {
    case.exporters_of(variant).iter().map(|exporter| exporter.name()).collect::<Vec<_>>().join(", ")
}

fn needs(case: &Case, variant: &Variant) -> String {
    let needs: Vec<&str> = case.needs_of(variant).iter().map(|need| need.name()).collect();
    if needs.is_empty() { "nothing special".into() } else { needs.join(", ") }
}

fn unknown(what: &str) -> Error {
    let ids: Vec<String> = suite::CASES.iter().map(Case::id).collect();
    let names: Vec<&str> = CLAUSES.iter().map(|clause| clause.id).chain(ids.iter().map(String::as_str)).collect();
    let similar = similar_names(what, &names);
    let next = match similar.is_empty() {
        true => "`cargo xtask list` lists the cases; clauses have names such as R-1 or UAPI-3.".to_string(),
        false => format!("Did you mean {}?", similar.join(" or ")),
    };
    Error::new(ErrorKind::Usage, format!("{what} is neither a case nor a clause")).next(next)
}
