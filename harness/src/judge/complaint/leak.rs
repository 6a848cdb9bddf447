//! Turns the leaks that kmemleak found after the cases of a guest into complaints.

use cases::complaint::Kind;
use cases::protocol::Leak;

use super::frame::{Place, place};
use super::{Complaint, ComplaintTime};
use crate::judge::transcript::Transcript;

/// The line that kmemleak prints on the console. The guest's own search reports each object instead.
const SUMMARY: &str = "new suspected memory leaks";

/// Adds the leaks that the search found. Leaks from before the first case belong to no case and are left out.
pub fn add(complaints: &mut Vec<Complaint>, transcript: &Transcript) {
    if !transcript.leaks.is_empty() && !transcript.search_due {
        complaints.retain(|complaint| complaint.kind != Kind::Kmemleak || !complaint.title.contains(SUMMARY));
    }
    complaints.extend(transcript.leaks.iter().filter(|leak| leak.case.is_some()).map(complaint));
}

fn complaint(leak: &Leak) -> Complaint {
    let Leak { case, objects, size, comm, frames } = leak;
    let objects = if *objects == 1 { "1 object".into() } else { format!("{objects} objects") };
    let title = format!("{objects} of {size} bytes leaked");
    let frames: Vec<String> = frames.iter().map(|frame| format!(" {frame}")).collect();
    let opening = [title.clone(), format!("allocated by the task {comm} in"), "Call Trace:".into()];
    let lines: Vec<String> = opening.into_iter().chain(frames).collect();
    let Place { frame, trace } = place(Kind::Kmemleak, &lines);
    Complaint {
        kind: Kind::Kmemleak,
        title,
        frame,
        trace,
        case: case.clone(),
        moment: ComplaintTime::Unknown,
        suppressed: None,
        lines,
        starts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use cases::protocol::{CaseKey, Record};

    use super::*;
    use crate::judge::complaint::scan;

    fn leak(case: Option<&str>) -> Record {
        let frames = ["__kmalloc_cache_noprof+0x1b7/0x2d0", "dma_buf_derive+0x3c/0x5a", "dma_buf_ioctl+0x3/0x5"];
        Record::Leak(Leak {
            case: case.map(|id| CaseKey::new(id, "udmabuf")),
            objects: 3,
            size: 32,
            comm: "init".into(),
            frames: frames.map(String::from).into(),
        })
    }

    fn complaints(records: Vec<Record>, console: &str) -> Vec<Complaint> {
        let mut transcript = Transcript::default();
        records.into_iter().for_each(|record| transcript.take(record));
        let mut complaints = scan(console.as_bytes());
        add(&mut complaints, &transcript);
        complaints
    }

    const CONSOLE: &str = "[    1.000000] kmemleak: 4 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n";

    #[test]
    fn the_frame_of_a_leak_is_the_function_that_allocated() {
        let searched = || Record::Searched { doubt: None };
        let found = complaints(vec![Record::SearchDue, leak(None), leak(Some("a/one")), searched()], CONSOLE);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].case, Some(CaseKey::new("a/one", "udmabuf")));
        assert_eq!(
            found[0].sentence(1),
            "the kernel complained (kmemleak) in dma_buf_derive(): 3 objects of 32 bytes leaked"
        );
    }

    #[test]
    fn without_results_of_the_search_the_line_of_the_console_counts() {
        assert_eq!(complaints(vec![Record::SearchDue], CONSOLE).len(), 1);
        assert_eq!(complaints(vec![Record::SearchDue, leak(None)], CONSOLE).len(), 1);
        assert_eq!(complaints(vec![Record::SearchDue, Record::Searched { doubt: None }], CONSOLE).len(), 1);
    }
}
