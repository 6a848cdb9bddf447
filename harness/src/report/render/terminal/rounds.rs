//! How the rounds of a run compare, in a line.

use crate::session::rounds::RoundsSummary;

/// How the rounds compare.
pub(super) fn line(held: &RoundsSummary, cases: usize) -> String {
    let times = if held.run == 1 { "1 round".into() } else { format!("{} rounds", held.run) };
    let same = match held.identical == cases {
        true => format!("{cases} verdicts and transcripts identical in all"),
        false => format!("{} of {cases} verdicts and transcripts identical in all", held.identical),
    };
    if held.deviating.is_empty() {
        return format!("{times}: {same}");
    }
    let which: Vec<String> = held.deviating.iter().take(20).map(ToString::to_string).collect();
    let more = if held.deviating.len() > which.len() { " ..." } else { "" };
    format!(
        "{times}, {} as expected and equal to the first: {same}; the other rounds: {}{more}",
        held.held(),
        which.join(" ")
    )
}
