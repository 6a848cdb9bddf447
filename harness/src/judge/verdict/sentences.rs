//! Parts of the sentences that say what is wrong.

use super::STILL_THERE;
use crate::judge::complaint::Complaint;
use crate::judge::transcript::CaseRun;

/// One sentence for each title, with the number of its occurrences. Suppressed complaints are left out.
pub(super) fn complained(complaints: &[Complaint]) -> Vec<String> {
    let mut counted: Vec<(&Complaint, usize)> = Vec::new();
    for complaint in complaints.iter().filter(|complaint| complaint.suppressed.is_none()) {
        let same = |first: &Complaint| first.title == complaint.title && first.frame == complaint.frame;
        match counted.iter_mut().find(|(first, _)| same(first)) {
            Some((_, count)) => *count += 1,
            None => counted.push((complaint, 1)),
        }
    }
    counted.into_iter().map(|(first, count)| first.sentence(count)).collect()
}

pub(super) fn whereabouts(processors: &[String]) -> String {
    if processors.is_empty() { String::new() } else { format!("; {}", processors.join("; ")) }
}

pub(super) fn during(run: &CaseRun) -> String {
    run.open_step().map(|step| format!(" during {step}")).unwrap_or_default()
}

/// The reason for a hazard that is there although the series declares it closed.
pub(super) fn still_there(sentence: &str) -> String {
    format!("{sentence}: {STILL_THERE}")
}
