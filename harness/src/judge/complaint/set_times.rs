//! Finds the step of the case at which each complaint came.
//!
//! The guest reads the kernel log before it sends a record, and reports new complaints with the time stamp of the log, which
//! the console shows too. So no clocks have to be compared. A complaint that the guest did not report came after its last record.

use super::title::normalise;
use super::{Complaint, Start};
use crate::judge::complaint_time::{ComplaintTime, NoticedComplaint};
use crate::judge::transcript::Transcript;

/// Sets the times of complaints. Adds a complaint for each one that the guest reported but that is not on the console, because
/// it was cut off or lost.
pub fn set_times(complaints: &mut Vec<Complaint>, transcript: &Transcript) {
    let mut left: Vec<&NoticedComplaint> = transcript.noticed.iter().collect();
    for complaint in complaints.iter_mut() {
        let mut first = None;
        for start in &complaint.starts {
            // Time stamps are coarse and reports repeat: take the first match, and each only once.
            let matches =
                |noticed: &&NoticedComplaint| Some(noticed.us) == start.us && start.line.starts_with(&noticed.line);
            if let Some(found) = left.iter().position(matches) {
                first.get_or_insert(left.remove(found));
            }
        }
        complaint.moment = match first {
            // The marks on the console say that it came before the next case, which was the first to read the log.
            Some(noticed) if complaint.case.is_some() && noticed.case != complaint.case => ComplaintTime::AfterLastStep,
            Some(noticed) => noticed.moment.clone(),
            None => after_the_last_record(complaint, transcript),
        };
    }
    complaints.extend(left.into_iter().map(not_on_the_console));
}

/// The time of a complaint that the guest did not report.
fn after_the_last_record(complaint: &Complaint, transcript: &Transcript) -> ComplaintTime {
    match transcript.unfinished().filter(|run| complaint.case.as_ref() == Some(&run.key)) {
        Some(run) => run.open_step().map_or(ComplaintTime::AfterLastStep, |step| ComplaintTime::During(step.into())),
        None => ComplaintTime::Unknown,
    }
}

fn not_on_the_console(noticed: &NoticedComplaint) -> Complaint {
    let kind = cases::complaint::kind_of(&noticed.line).unwrap_or(cases::complaint::Kind::LogOverflow);
    Complaint {
        kind,
        title: normalise(&noticed.line),
        frame: super::frame::place(kind, std::slice::from_ref(&noticed.line)).frame,
        trace: Vec::new(),
        case: noticed.case.clone(),
        moment: noticed.moment.clone(),
        suppressed: None,
        lines: vec![noticed.line.clone()],
        starts: vec![Start { us: Some(noticed.us), line: noticed.line.clone() }],
    }
}

#[cfg(test)]
mod tests {
    use cases::complaint::Kind;
    use cases::protocol::{CaseKey, Line, Outcome, Record, begin_mark};

    use super::*;
    use crate::judge::complaint::scan;

    fn key(id: &str) -> CaseKey {
        CaseKey::new(id, "udmabuf")
    }

    fn transcript(records: Vec<Record>) -> Transcript {
        let begin = Record::Begin { case: key("a/one"), limit_ms: 1 };
        let lines = std::iter::once(begin)
            .chain(records)
            .enumerate()
            .map(|(seq, record)| serde_json::to_string(&Line { seq: seq as u64, record }).unwrap() + "\n");
        Transcript::parse(lines.collect::<String>().as_bytes())
    }

    fn call() -> Record {
        Record::Call { text: "close(alias)".into() }
    }

    fn returned() -> Record {
        Record::Return { text: "ok".into() }
    }

    fn checked() -> Record {
        Record::Check { sentence: "it is gone".into(), holds: true, detail: String::new(), clause: None }
    }

    fn noticed(us: u64) -> Record {
        Record::Complaint { number: us, us, line: "refcount_t: underflow; use-after-free.".into() }
    }

    fn end() -> Record {
        Record::End { case: key("a/one"), outcome: Outcome::Pass, ms: 1 }
    }

    /// The moment of a complaint with time stamp 1.5 s, after the mark of the case.
    fn moment(records: Vec<Record>) -> ComplaintTime {
        let console = format!(
            "[    1.000000] {}\n[    1.500000] refcount_t: underflow; use-after-free.\n[    1.600000] {}\n",
            begin_mark(&key("a/one")),
            begin_mark(&key("a/two")),
        );
        let mut complaints = scan(console.as_bytes());
        set_times(&mut complaints, &transcript(records));
        assert_eq!(complaints.len(), 1, "{complaints:#?}");
        complaints.remove(0).moment
    }

    #[test]
    fn the_guest_reports_complaints_at_the_step_of_the_complaint() {
        let at = 1_500_000;
        let during = ComplaintTime::During("close(alias)".into());
        assert_eq!(moment(vec![call(), noticed(at), returned(), checked(), end()]), during);
        // The runner reads the log too, and reports it again.
        assert_eq!(moment(vec![call(), noticed(at), returned(), checked(), noticed(at), end()]), during);
        let before = ComplaintTime::Before("the check \"it is gone\"".into());
        assert_eq!(moment(vec![call(), returned(), noticed(at), checked(), end()]), before);
        assert_eq!(moment(vec![call(), returned(), noticed(at), end()]), ComplaintTime::AfterLastStep);
        assert_eq!(moment(vec![call(), returned(), end(), noticed(at)]), ComplaintTime::AfterLastStep);
    }

    #[test]
    fn equal_complaints_keep_their_steps() {
        let line = "[    1.500000] refcount_t: underflow; use-after-free.\n";
        let console = format!("[    1.000000] {}\n{line}{line}", begin_mark(&key("a/one")));
        let mut complaints = scan(console.as_bytes());
        let again =
            Record::Complaint { number: 9, us: 1_500_000, line: "refcount_t: underflow; use-after-free.".into() };
        set_times(&mut complaints, &transcript(vec![call(), noticed(1_500_000), returned(), again, checked(), end()]));
        let moments: Vec<String> = complaints.iter().map(|complaint| complaint.moment.words()).collect();
        assert_eq!(moments, [" during close(alias)", " before the check \"it is gone\""]);
        assert!(complaints.iter().all(|complaint| complaint.kind == Kind::Refcount));
    }

    #[test]
    fn a_complaint_that_the_guest_did_not_report_came_after_its_last_record() {
        assert_eq!(moment(vec![call()]), ComplaintTime::During("close(alias)".into()));
        assert_eq!(moment(vec![call(), returned()]), ComplaintTime::AfterLastStep);
        assert_eq!(moment(vec![call(), returned(), end()]), ComplaintTime::Unknown);
    }

    #[test]
    fn a_complaint_that_the_next_case_reports_belongs_to_the_case_before() {
        let next = Record::Begin { case: key("a/two"), limit_ms: 1 };
        assert_eq!(
            moment(vec![call(), returned(), end(), next, call(), noticed(1_500_000)]),
            ComplaintTime::AfterLastStep
        );
    }

    #[test]
    fn a_complaint_that_the_console_lost_is_added() {
        let mut complaints = scan(b"");
        set_times(&mut complaints, &transcript(vec![call(), noticed(7), returned(), end()]));
        assert_eq!(complaints.len(), 1);
        assert_eq!(complaints[0].case, Some(key("a/one")));
        assert_eq!(
            complaints[0].sentence(1),
            "the kernel complained (refcount) during close(alias): refcount_t: underflow; use-after-free."
        );
    }
}
