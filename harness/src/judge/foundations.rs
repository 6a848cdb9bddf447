//! Which foundations are violated, and which cases therefore cannot be judged.

use std::collections::BTreeMap;

use cases::foundation::{AVOID, Foundation, LEAKS, NEVER_RELEASED, STILL_LISTED};
use cases::need::Need;
use cases::protocol::{CaseKey, Outcome};
use cases::suite;

use crate::judge::complaint::Complaint;
use crate::judge::complaint_time::ComplaintTime;
use crate::judge::repeated::only_complains;
use crate::judge::transcript::TranscriptStep;
use crate::judge::verdict::{CaseVerdict, LEFT_BEHIND, Verdict};

/// The violated foundations. A violation that only cases with aliases show does not affect the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violated {
    with_aliases: ViolatedSet,
    without: ViolatedSet,
}

/// Foundations that some cases cannot rely on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ViolatedSet {
    /// Each with the clause that is violated.
    by: BTreeMap<Foundation, String>,
    /// Whether a case whose checks held left something behind.
    leaks: bool,
}

impl Violated {
    /// Reads the verdicts of the cases that judge foundations, and ignores others.
    pub fn of(verdicts: &[CaseVerdict]) -> Self {
        let without = verdicts.iter().filter(|verdict| !derives(&verdict.key));
        Violated {
            with_aliases: ViolatedSet::of(verdicts.iter().collect()),
            without: ViolatedSet::of(without.collect()),
        }
    }

    fn set(&self, derives: bool) -> &ViolatedSet {
        if derives { &self.with_aliases } else { &self.without }
    }

    /// Whether anything is violated.
    pub fn is_any(&self) -> bool {
        self.with_aliases.is_any() || self.without.is_any()
    }

    /// The clause that blocks a case that was not run. None if no foundation that it relies on or judges is violated.
    pub fn blocks(&self, key: &CaseKey) -> Option<&str> {
        self.set(derives(key)).blocks(key)
    }

    /// The word on the kernel's command line that tells a guest which foundations not to use: one whose cases derive aliases, or one
    /// whose cases do not. None if all of them hold.
    pub fn avoid(&self, derives: bool) -> Option<String> {
        self.set(derives).avoid()
    }
}

impl ViolatedSet {
    fn of(mut verdicts: Vec<&CaseVerdict>) -> Self {
        let mut violated = ViolatedSet::default();
        // The kernel can be used after a complaint about what damaged nothing.
        verdicts.retain(|verdict| !only_complains(verdict));
        // Whatever is released then damages the list, so nothing may be.
        let list = verdicts.iter().copied().find(|verdict| damages_the_list(verdict));
        if let Some(verdict) = list {
            violated.by.insert(Foundation::Closing, verdict.clause.clone());
        } else if verdicts.iter().any(|verdict| finds_a_damaged_list(verdict)) {
            for foundation in [Foundation::Closing, Foundation::Listing] {
                violated.by.insert(foundation, ABOUT_THE_LIST.into());
            }
        }
        let is_damaged = !violated.by.is_empty();
        for verdict in verdicts.iter().copied() {
            let Some(foundation) = Foundation::judged_by(verdict.key.id()) else { continue };
            match verdict.verdict.detailed() {
                // The kernel can still be used if resource counts are not compared.
                Verdict::Failed { reasons } if reasons.iter().all(|reason| is_leak(reason)) => {
                    violated.leaks = true;
                }
                // The kernel refuses what the case needs, and is not damaged.
                _ if fails_for_other_clauses(verdict) => {}
                Verdict::Failed { .. } if is_damaged && shows_a_damaged_list(verdict) => {}
                Verdict::Failed { .. } | Verdict::Lost { begun: true, .. } => {
                    let closing = foundation == Foundation::Deriving && only_after_a_close(verdict);
                    let foundation = if closing { Foundation::Closing } else { foundation };
                    violated.by.entry(foundation).or_insert_with(|| verdict.clause.clone());
                }
                _ => {}
            }
        }
        // A foundation that no case can judge, because all rely on a violated one, cannot be relied on either. Foundations rely
        // on earlier ones only.
        for foundation in Foundation::ALL {
            let cases =
                verdicts.iter().copied().filter(|verdict| Foundation::judged_by(verdict.key.id()) == Some(*foundation));
            let blocked = |verdict: &CaseVerdict| match &verdict.run {
                Some(_) => None,
                None => violated.blocks(&verdict.key).map(str::to_string),
            };
            let blocked: Option<Vec<String>> = cases.map(blocked).collect();
            if let Some(clause) = blocked.and_then(|clauses| clauses.into_iter().next()) {
                violated.by.entry(*foundation).or_insert(clause);
            }
        }
        violated
    }

    fn is_any(&self) -> bool {
        self.leaks || !self.by.is_empty()
    }

    fn blocks(&self, key: &CaseKey) -> Option<&str> {
        let (case, on) = suite::find(key)?;
        let own = Foundation::judged_by(&case.id());
        let needed = case.relies_on(on.variant).into_iter().chain(own);
        needed.into_iter().find_map(|foundation| self.by.get(&foundation)).map(String::as_str)
    }

    fn avoid(&self) -> Option<String> {
        let words = self.by.keys().map(|foundation| foundation.name()).chain(self.leaks.then_some(LEAKS));
        let words: Vec<&str> = words.collect();
        (!words.is_empty()).then(|| format!("{AVOID}={}", words.join(",")))
    }
}

/// Whether all that fails are checks about other clauses than that of the case.
fn fails_for_other_clauses(verdict: &CaseVerdict) -> bool {
    let Some(run) = &verdict.run else { return false };
    let own = |step: &TranscriptStep| matches!(step, TranscriptStep::Check { holds: false, clause: None, .. });
    run.outcome == Some(Outcome::Fail) && verdict.complaints.is_empty() && !run.steps.iter().any(own)
}

/// Whether everything that is wrong showed during or after the first close of a descriptor.
pub(crate) fn only_after_a_close(verdict: &CaseVerdict) -> bool {
    let Some(run) = &verdict.run else { return false };
    let is_close =
        |step: &TranscriptStep| matches!(step, TranscriptStep::Call { text, .. } if text.starts_with("close("));
    let Some(first) = run.steps.iter().position(is_close) else { return false };
    let (before, after) = run.steps.split_at(first);
    let fails = |step: &TranscriptStep| matches!(step, TranscriptStep::Check { holds: false, .. });
    let came_later = |complaint: &Complaint| match &complaint.moment {
        ComplaintTime::During(text) | ComplaintTime::Before(text) => {
            after.iter().any(|step| matches!(step, TranscriptStep::Call { text: call, .. } if call == text))
        }
        ComplaintTime::AfterLastStep => true,
        ComplaintTime::Unknown => false,
    };
    !before.iter().any(fails) && verdict.complaints.iter().all(came_later)
}

/// Whether the kernel complained in a case about its list of buffers.
fn damages_the_list(verdict: &CaseVerdict) -> bool {
    Foundation::judged_by(verdict.key.id()) == Some(Foundation::Listing) && !verdict.complaints.is_empty()
}

/// The clause about the list.
const ABOUT_THE_LIST: &str = "L-2";

/// Whether the kernel found a damaged list in a case about another foundation, and nothing else is wrong. It leaves such a list
/// alone (lib/list_debug.c).
fn finds_a_damaged_list(verdict: &CaseVerdict) -> bool {
    Foundation::judged_by(verdict.key.id()).is_some()
        && verdict.complaints.first().is_some_and(Complaint::is_about_a_list)
        && shows_a_damaged_list(verdict)
}

/// The functions of the kernel that use its list of buffers.
const USE_THE_LIST: &[&str] = &["dma_buf_export", "dma_buf_file_release", "dma_buf_debug_show"];

/// Whether all that is wrong is that the kernel found a damaged list or complained where it uses its own; later complaints are
/// consequences.
fn shows_a_damaged_list(verdict: &CaseVerdict) -> bool {
    let (Some(run), Some(first)) = (&verdict.run, verdict.complaints.first()) else { return false };
    let judges_it = Foundation::judged_by(verdict.key.id()) == Some(Foundation::Listing);
    let uses_it = first.is_about_a_list() || first.trace.iter().any(|name| USE_THE_LIST.contains(&name.as_str()));
    !judges_it && uses_it && run.failed_checks().next().is_none()
}

/// Whether a reason says that something is never given back, and nothing else.
pub(crate) fn is_leak(reason: &str) -> bool {
    reason.starts_with(LEFT_BEHIND) || reason.ends_with(NEVER_RELEASED) || reason.ends_with(STILL_LISTED)
}

/// Whether a case derives aliases, or may if the kernel lets it.
pub(crate) fn derives(key: &CaseKey) -> bool {
    suite::find(key).is_some_and(|(case, on)| {
        case.needs_of(on.variant).iter().any(|need| matches!(need, Need::Derive | Need::DeriveDefined))
    })
}

/// Whether a case judges a foundation.
pub(crate) fn judges_one(key: &CaseKey) -> bool {
    Foundation::judged_by(key.id()).is_some()
}

/// Divides a plan into the cases that judge foundations, in the order of these, and the others.
pub fn split(plan: &[CaseKey]) -> (Vec<CaseKey>, Vec<CaseKey>) {
    let (mut first, rest): (Vec<_>, Vec<_>) = plan.iter().cloned().partition(judges_one);
    first.sort_by_key(|key| Foundation::judged_by(key.id()));
    (first, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::transcript::CaseRun;
    use crate::judge::verdict::tests::verdict_on;

    fn of(verdicts: &[(&str, Verdict)]) -> Violated {
        let verdicts: Vec<CaseVerdict> =
            verdicts.iter().map(|(key, verdict)| verdict_on(key, verdict.clone())).collect();
        Violated::of(&verdicts)
    }

    fn failed(reason: &str) -> Verdict {
        Verdict::Failed { reasons: vec![reason.into()] }
    }

    fn key(text: &str) -> CaseKey {
        CaseKey(text.into())
    }

    #[test]
    fn what_relies_on_a_violated_foundation_is_blocked_by_its_clause() {
        let violated = of(&[("uapi/derive_and_close@udmabuf", failed("the kernel complained (kasan)"))]);
        assert!(violated.blocks(&key("rights/derive_table@udmabuf")).is_some());
        assert_eq!(violated.blocks(&key("identity/open_files.dup@udmabuf")), None);
        assert_eq!(violated.avoid(true).as_deref(), Some("case_avoid=deriving"));
    }

    #[test]
    fn what_is_wrong_with_aliases_only_blocks_no_case_without_one() {
        let unlisted = failed("buffer not on the global list (expected once)");
        let aliases = ("lifetime/leaves_list_once@udmabuf", unlisted.clone());
        let duplicates = ("lifetime/leaves_list_once.dup@udmabuf", unlisted);
        let (with, without) = (key("lifetime/memory@system-heap"), key("lifetime/memory.dup@system-heap"));
        let violated = of(std::slice::from_ref(&aliases));
        assert_eq!((violated.blocks(&with), violated.blocks(&without)), (Some("L-2"), None));
        assert_eq!((violated.avoid(true).as_deref(), violated.avoid(false)), (Some("case_avoid=listing"), None));
        let violated = of(&[aliases, duplicates]);
        assert_eq!(violated.blocks(&without), Some("L-2"));
        assert_eq!(violated.avoid(false), violated.avoid(true));
    }

    #[test]
    fn a_leak_blocks_nothing_and_is_not_counted_again() {
        let leak = failed(&format!("{LEFT_BEHIND}: open files: 8, 7 before"));
        let violated = of(&[("uapi/derive_and_close@udmabuf", leak)]);
        assert_eq!(violated.blocks(&key("rights/derive_table@udmabuf")), None);
        assert_eq!(violated.avoid(true).as_deref(), Some("case_avoid=leaks"));
    }

    #[test]
    fn a_buffer_that_is_never_released_is_a_leak() {
        let never =
            format!("closing primary: buffer released once, at the end: after the last close: {NEVER_RELEASED}");
        let violated = of(&[("lifetime/closing_orders@udmabuf", failed(&never))]);
        assert_eq!(violated.blocks(&key("rights/derive_table@udmabuf")), None);
        assert_eq!(violated.avoid(true).as_deref(), Some("case_avoid=leaks"));
        let twice = never.replace("never", "twice");
        let both = Verdict::Failed { reasons: vec![never, "the kernel complained (kasan)".into()] };
        for verdict in [failed(&twice), both] {
            let violated = of(&[("lifetime/closing_orders@udmabuf", verdict)]);
            assert_eq!(violated.blocks(&key("lifetime/in_flight@udmabuf")), Some("L-1"));
        }
    }

    fn ran(steps: Vec<TranscriptStep>, moment: Option<ComplaintTime>) -> CaseVerdict {
        let mut verdict = verdict_on("uapi/derive_and_close@udmabuf", failed("x"));
        let key = verdict.key.clone();
        let outcome = Some(Outcome::Fail);
        verdict.run = Some(CaseRun { key, steps, outcome, ms: 1, protocol_errors: Vec::new() });
        if let Some(moment) = moment {
            verdict.complaints =
                crate::judge::complaint::scan(b"[ 1.0] BUG: KASAN: slab-use-after-free in f+0x1/0x2\n");
            verdict.complaints[0].moment = moment;
        }
        verdict
    }

    fn call(text: &str) -> TranscriptStep {
        TranscriptStep::Call { text: text.into(), result: Some("ok".into()) }
    }

    #[test]
    fn if_only_closing_is_wrong_what_closes_nothing_is_judged() {
        let steps = || vec![call("derive(primary, O_RDONLY)"), call("close(RO alias)")];
        let at = |words: &str| Violated::of(&[ran(steps(), Some(ComplaintTime::During(words.into())))]);
        let closing = at("close(RO alias)");
        assert_eq!(closing.avoid(true).as_deref(), Some("case_avoid=closing"));
        assert_eq!(closing.blocks(&key("rights/derive_table@udmabuf")), None);
        assert!(closing.blocks(&key("lifetime/in_flight@udmabuf")).is_some());
        let deriving = at("derive(primary, O_RDONLY)");
        assert_eq!(deriving.avoid(true).as_deref(), Some("case_avoid=deriving"));
    }

    #[test]
    fn if_the_list_is_damaged_nothing_is_released() {
        let listing = |complaints: &[u8]| {
            let mut verdict = verdict_on("lifetime/leaves_list_once@udmabuf", failed("x"));
            verdict.complaints = crate::judge::complaint::scan(complaints);
            verdict
        };
        let damaged = listing(b"[ 1.0] list_del corruption. next is NULL\n");
        let complaint = |function: &str| {
            let mut verdict = ran(vec![call("derive(primary, O_RDONLY)")], Some(ComplaintTime::AfterLastStep));
            verdict.complaints[0].trace = vec!["__list_add_valid_or_report".into(), function.into()];
            verdict
        };
        let avoid = |verdicts: &[CaseVerdict]| Violated::of(verdicts).avoid(true);
        let verdicts = [complaint("dma_buf_export"), damaged.clone()];
        assert_eq!(avoid(&verdicts).as_deref(), Some("case_avoid=closing,listing"));
        assert_eq!(avoid(&verdicts[..1]).as_deref(), Some("case_avoid=deriving"));
        let deriving = complaint("dma_buf_derive");
        assert_eq!(avoid(&[deriving, damaged]).as_deref(), Some("case_avoid=deriving,closing,listing"));
        assert_eq!(avoid(&[listing(b"")]).as_deref(), Some("case_avoid=listing"));
        let mut twice = complaint("dma_buf_derive");
        twice.complaints = crate::judge::complaint::scan(b"[ 1.0] list_add double add: new=1, prev=2, next=1.\n");
        let violated = Violated::of(&[twice]);
        assert_eq!(violated.avoid(true).as_deref(), Some("case_avoid=closing,listing"));
        assert_eq!(violated.blocks(&key("lifetime/in_flight@udmabuf")), Some("L-2"));
        assert_eq!(violated.blocks(&key("rights/derive_table@udmabuf")), None);
    }

    #[test]
    fn a_foundation_that_was_blocked_blocks_too() {
        let unrun = verdict_on("lifetime/importer_steps@udmabuf", Verdict::NotRun { why: "x".into() });
        let closing = failed("closing primary: buffer released once, at the end: twice");
        let closing = verdict_on("lifetime/closing_orders@udmabuf", closing);
        let violated = Violated::of(&[closing, unrun]);
        assert_eq!(violated.avoid(true).as_deref(), Some("case_avoid=closing,importing"));
        assert_eq!(violated.blocks(&key("hazards/reexport@udmabuf")), Some("L-1"));
    }

    #[test]
    fn a_refusal_blocks_nothing() {
        let refused = |clause: Option<&str>| TranscriptStep::Check {
            sentence: "derive(primary, O_RDONLY) succeeds".into(),
            holds: false,
            detail: "returned EINVAL".into(),
            clause: clause.map(str::to_string),
        };
        assert_eq!(Violated::of(&[ran(vec![refused(Some("UAPI-2"))], None)]), Violated::default());
        assert!(Violated::of(&[ran(vec![refused(None)], None)]).avoid(true).is_some());
        let damaged = ran(vec![refused(Some("UAPI-2"))], Some(ComplaintTime::AfterLastStep));
        assert!(Violated::of(&[damaged]).avoid(true).is_some());
    }

    #[test]
    fn other_cases_and_other_verdicts_say_nothing_about_foundations() {
        let broken = Verdict::Broken { why: "x".into() };
        for violated in [
            of(&[("rights/derive_table@udmabuf", failed("x"))]),
            of(&[("uapi/derive_and_close@udmabuf", broken)]),
            of(&[("uapi/derive_and_close@udmabuf", Verdict::Pass)]),
        ] {
            assert_eq!(violated, Violated::default());
            assert_eq!(violated.avoid(true), None);
        }
    }
}
