//! The trace file that lcov and genhtml read (geninfo(1), "TRACEFILE FORMAT").

use std::fmt::Write;

use super::Coverage;
use super::summary::Sources;

/// A trace file. `place` returns the path of a source file for the reader.
pub fn render(coverage: &Coverage, sources: &Sources, place: impl Fn(&str) -> String) -> String {
    let mut text = String::from("TN:\n");
    for (path, counts) in &coverage.files {
        let _ = writeln!(text, "SF:{}", place(path));
        let functions = sources.functions(path, counts);
        for (name, line, _) in &functions {
            let _ = writeln!(text, "FN:{line},{name}");
        }
        for (name, _, count) in &functions {
            let _ = writeln!(text, "FNDA:{count},{name}");
        }
        let hit = functions.iter().filter(|(.., count)| *count > 0).count();
        let _ = writeln!(text, "FNF:{}\nFNH:{hit}", functions.len());
        for (line, places) in &counts.lines {
            for (block, place) in places.iter().enumerate() {
                for (number, taken) in place.branches.iter().enumerate() {
                    // lcov distinguishes a branch that was never reached from one that was never taken.
                    let taken = if place.count == 0 { "-".into() } else { taken.to_string() };
                    let _ = writeln!(text, "BRDA:{line},{block},{number},{taken}");
                }
            }
        }
        let branches = counts.branch_share();
        let _ = writeln!(text, "BRF:{}\nBRH:{}", branches.of, branches.hit);
        for line in counts.lines.keys() {
            let _ = writeln!(text, "DA:{line},{}", counts.count(*line).unwrap_or(0));
        }
        let lines = counts.line_share();
        let _ = writeln!(text, "LF:{}\nLH:{}\nend_of_record", lines.of, lines.hit);
    }
    text
}
