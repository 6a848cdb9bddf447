//! When in its case a complaint came.
//!
//! The guest looks into the kernel log before every record that it sends and says at once what it found, with the time
//! stamp that the console shows as well. So no clocks have to be compared. What it could not say any more came after its
//! last record.

use super::title::normalise;
use super::{Complaint, Start};
use crate::judge::moment::{Moment, NoticedComplaint};
use crate::judge::transcript::Transcript;

/// Ties complaints to the moments at which the guest noticed them. What the guest noticed and the console does not show,
/// because it was cut or overrun, is a complaint all the same.
pub fn tie(complaints: &mut Vec<Complaint>, transcript: &Transcript) {
    let mut left: Vec<&NoticedComplaint> = transcript.heard.iter().collect();
    for complaint in complaints.iter_mut() {
        let mut first = None;
        for start in &complaint.starts {
            // Stamps are coarse and reports repeat themselves: the first that is alike is meant, and each only once.
            let alike = |heard: &&NoticedComplaint| Some(heard.us) == start.us && start.line.starts_with(&heard.line);
            if let Some(found) = left.iter().position(alike) {
                first.get_or_insert(left.remove(found));
            }
        }
        complaint.moment = match first {
            // By the marks on the console it came before the next case began, which was the first to look.
            Some(heard) if complaint.case.is_some() && heard.case != complaint.case => Moment::AfterLastStep,
            Some(heard) => heard.moment.clone(),
            None => after_the_last_record(complaint, transcript),
        };
    }
    complaints.extend(left.into_iter().map(unseen));
}

/// The moment of a complaint of which the guest never spoke: it came after everything that the guest said.
fn after_the_last_record(complaint: &Complaint, transcript: &Transcript) -> Moment {
    match transcript.unfinished().filter(|run| complaint.case.as_ref() == Some(&run.key)) {
        Some(run) => run.open_step().map_or(Moment::AfterLastStep, |step| Moment::During(step.into())),
        None => Moment::Unknown,
    }
}

fn unseen(heard: &NoticedComplaint) -> Complaint {
    Complaint {
        kind: cases::complaint::kind_of(&heard.line).unwrap_or(cases::complaint::Kind::LogOverflow),
        title: normalise(&heard.line),
        frame: super::frame::frame(std::slice::from_ref(&heard.line), &[]),
        trace: Vec::new(),
        case: heard.case.clone(),
        moment: heard.moment.clone(),
        suppressed: None,
        lines: vec![heard.line.clone()],
        starts: vec![Start { us: Some(heard.us), line: heard.line.clone() }],
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
        Record::Check { sentence: "it is gone".into(), holds: true, detail: String::new() }
    }

    fn heard(us: u64) -> Record {
        Record::Complaint { number: us, us, line: "refcount_t: underflow; use-after-free.".into() }
    }

    fn end() -> Record {
        Record::End { case: key("a/one"), outcome: Outcome::Pass, ms: 1 }
    }

    /// The moment of a complaint with the stamp 1.5 s, which comes after the mark of the case.
    fn moment(records: Vec<Record>) -> Moment {
        let console = format!(
            "[    1.000000] {}\n[    1.500000] refcount_t: underflow; use-after-free.\n[    1.600000] {}\n",
            begin_mark(&key("a/one")),
            begin_mark(&key("a/two")),
        );
        let mut complaints = scan(console.as_bytes());
        tie(&mut complaints, &transcript(records));
        assert_eq!(complaints.len(), 1, "{complaints:#?}");
        complaints.remove(0).moment
    }

    #[test]
    fn the_guest_says_at_which_step_it_noticed() {
        let at = 1_500_000;
        let during = Moment::During("close(alias)".into());
        assert_eq!(moment(vec![call(), heard(at), returned(), checked(), end()]), during);
        // The runner, which reads the log for itself, says it again.
        assert_eq!(moment(vec![call(), heard(at), returned(), checked(), heard(at), end()]), during);
        let before = Moment::Before("the check \"it is gone\"".into());
        assert_eq!(moment(vec![call(), returned(), heard(at), checked(), end()]), before);
        assert_eq!(moment(vec![call(), returned(), heard(at), end()]), Moment::AfterLastStep);
        assert_eq!(moment(vec![call(), returned(), end(), heard(at)]), Moment::AfterLastStep);
    }

    #[test]
    fn two_that_look_alike_keep_their_steps() {
        let line = "[    1.500000] refcount_t: underflow; use-after-free.\n";
        let console = format!("[    1.000000] {}\n{line}{line}", begin_mark(&key("a/one")));
        let mut complaints = scan(console.as_bytes());
        let again =
            Record::Complaint { number: 9, us: 1_500_000, line: "refcount_t: underflow; use-after-free.".into() };
        tie(&mut complaints, &transcript(vec![call(), heard(1_500_000), returned(), again, checked(), end()]));
        let moments: Vec<String> = complaints.iter().map(|complaint| complaint.moment.words()).collect();
        assert_eq!(moments, [" during close(alias)", " before the check \"it is gone\""]);
        assert!(complaints.iter().all(|complaint| complaint.kind == Kind::Refcount));
    }

    #[test]
    fn what_the_guest_could_not_say_came_after_its_last_record() {
        assert_eq!(moment(vec![call()]), Moment::During("close(alias)".into()));
        assert_eq!(moment(vec![call(), returned()]), Moment::AfterLastStep);
        assert_eq!(moment(vec![call(), returned(), end()]), Moment::Unknown);
    }

    #[test]
    fn what_the_next_case_was_first_to_see_is_of_the_case_before() {
        let next = Record::Begin { case: key("a/two"), limit_ms: 1 };
        assert_eq!(moment(vec![call(), returned(), end(), next, call(), heard(1_500_000)]), Moment::AfterLastStep);
    }

    #[test]
    fn what_the_console_lost_is_a_complaint_all_the_same() {
        let mut complaints = scan(b"");
        tie(&mut complaints, &transcript(vec![call(), heard(7), returned(), end()]));
        assert_eq!(complaints.len(), 1);
        assert_eq!(complaints[0].case, Some(key("a/one")));
        assert_eq!(
            complaints[0].sentence(1),
            "the kernel complained (refcount) during close(alias): refcount_t: underflow; use-after-free."
        );
    }
}
