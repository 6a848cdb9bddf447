//! `cargo xtask list`: the cases. Needs no kernel.

use std::collections::BTreeSet;

use cases::suite;
use harness::error::Result;
use harness::exit_code::ExitCode;

use crate::flags::ListArgs;
use crate::run::plan;

/// Prints every case that matches.
///
/// # Errors
/// When nothing matches.
pub fn run(args: &ListArgs) -> Result<ExitCode> {
    let keys = plan::select(&args.filters, false, &[])?;
    if args.keys {
        keys.iter().for_each(|key| println!("{key}"));
        return Ok(ExitCode::AsExpected);
    }
    let mut area = String::new();
    for case in suite::CASES {
        for id in case.variants.iter().map(|variant| case.name(variant)) {
            let exporters: Vec<&str> = keys.iter().filter(|key| key.name() == id).map(|key| key.exporter()).collect();
            if exporters.is_empty() {
                continue;
            }
            if case.area() != area {
                area = case.area();
                println!("\n{area}");
            }
            let name = id.split_once('/').map_or(id.as_str(), |(_, name)| name);
            println!("  {:<7} {:<30} {:<9} {}", case.clause, name, case.judgement.name(), exporters.join(" "));
        }
    }
    let clauses: BTreeSet<&str> =
        keys.iter().filter_map(|key| suite::by_id(key.id())).map(|case| case.clause).collect();
    println!("\n{} case/exporter pairs, {} clauses. `cargo xtask explain NAME` says more.", keys.len(), clauses.len());
    Ok(ExitCode::AsExpected)
}
