//! Groups symptoms of the same defect.

mod tables;

use std::collections::BTreeMap;

use cases::foundation::{Foundation, STILL_LISTED};
use cases::protocol::CaseKey;

use self::tables::{
    ABOUT_MAPPINGS, ABOUT_REFUSALS, COMPARES, EXPLAINS, EXPLAINS_BUT_COUNTS, EXPLAINS_COUNTS, NEEDS_A_FILE,
    NOT_A_BUFFER, SHOW_NAMES, SHOW_PAGES,
};
use crate::findings::evidence::{kernel_log, steps_to_it, transcript};
use crate::findings::nature::Nature;
use crate::findings::severity::Severity;
use crate::findings::symptom::{Damage, FailedCheck, Key, Symptom};
use crate::findings::{Finding, FollowUp};
use crate::guest::hang::processors::IDLE;
use crate::judge::foundations::{derives, is_leak, judges_one, only_after_a_close};
use crate::judge::verdict::{CaseVerdict, Verdict};

/// Symptoms of one defect, each with the verdict that shows it; at least one. All have the same key.
struct Group<'a> {
    shown: Vec<(&'a CaseVerdict, Symptom)>,
    /// Whether only cases that derive aliases show it.
    needs_aliases: bool,
}

impl<'a> Group<'a> {
    /// Each of its verdicts alone.
    fn parts(self) -> impl Iterator<Item = Group<'a>> {
        let all = self.needs_aliases;
        let alone = move |shown: (&'a CaseVerdict, Symptom)| Group {
            needs_aliases: all || derives(&shown.0.key),
            shown: vec![shown],
        };
        self.shown.into_iter().map(alone)
    }

    fn key(&self) -> &Key {
        &self.shown[0].1.key
    }

    /// The most serious symptom, the first of equals.
    fn symptom(&self) -> &Symptom {
        let symptoms = self.shown.iter().map(|(_, symptom)| symptom);
        symptoms.min_by_key(|symptom| symptom.severity).expect("a group has a symptom")
    }

    /// The clause that is violated. A complaint of the kernel belongs to a clause about lifetimes if such a case shows it, if
    /// it comes with a close, or if it is about freed memory; else the clause of a foundation comes first, then that of the first case.
    fn clause(&self) -> &str {
        if let Key::Clause(clause) = self.key() {
            return clause;
        }
        let is_about = |damage: Damage| self.shown.iter().any(|(_, symptom)| symptom.damage == Some(damage));
        let lifetime = self.cases().find(|verdict| verdict.clause.starts_with("L-"));
        let of_aliases =
            || self.cases().any(|verdict| ["UAPI-", "R-", "I-"].iter().any(|area| verdict.clause.starts_with(area)));
        let freed = || self.corrupts() && is_about(Damage::Freed);
        if is_about(Damage::List) {
            return "L-2";
        }
        if is_about(Damage::Locks) && (lifetime.is_some() || of_aliases()) {
            return "L-10";
        }
        if let (Key::Complaint(..), Some(verdict)) = (self.key(), lifetime) {
            // No list is damaged.
            return if verdict.clause == "L-2" { "L-1" } else { &verdict.clause };
        }
        let foundation = self.cases().find(|verdict| judges_one(&verdict.key));
        if foundation.is_some_and(only_after_a_close) || foundation.is_none() && freed() {
            return "L-1";
        }
        foundation.or(self.cases().next()).map_or("", |verdict| verdict.clause.as_str())
    }

    fn cases(&self) -> impl Iterator<Item = &CaseVerdict> {
        self.shown.iter().map(|(verdict, _)| *verdict)
    }

    fn keys(&self) -> Vec<CaseKey> {
        self.cases().map(|verdict| verdict.key.clone()).collect()
    }

    /// Whether every case that shows the other one shows this one too.
    fn is_wherever(&self, other: &Group<'_>) -> bool {
        other.cases().all(|case| self.cases().any(|mine| mine.key == case.key))
    }

    /// Whether it is memory corruption or wrong reference counts: any later failure may be a consequence.
    fn corrupts(&self) -> bool {
        matches!(self.key(), Key::Complaint(Severity::MemoryCorruption, _))
    }

    /// Whether the kernel found a count of references wrong, and nothing else.
    fn is_about_counts(&self) -> bool {
        self.shown.iter().all(|(_, symptom)| symptom.title.contains("reference count"))
    }

    /// Whether the kernel complained about locks that are taken in the wrong order or place, and about nothing else.
    fn is_about_locks(&self) -> bool {
        self.shown.iter().all(|(_, symptom)| symptom.damage == Some(Damage::Locks))
    }

    /// Damaged memory, or a wrong count, makes nobody take locks in another order: that has a reason of its own, unless the same cases
    /// show both.
    fn may_lead_to(&self, other: &Group<'_>) -> bool {
        !other.is_about_locks() || self.is_wherever(other)
    }

    /// Whether its cases were waiting, as the host saw, and not running in circles.
    fn waits(&self) -> bool {
        self.shown.iter().all(|(_, symptom)| symptom.title.contains(IDLE))
    }

    fn explains(&self, other: &Group<'_>) -> bool {
        let corrupts = self.corrupts();
        if !corrupts && self.is_of_aliases_and_not(other) {
            return false;
        }
        let consequence = match other.key() {
            // What is left behind may be left by a case that failed, or by what never gives anything back.
            Key::Left(_) => corrupts || self.natures().any(Nature::keeps) || self.is_wherever(other),
            // A case that waits for ever in a guest of its own does not do so because memory was damaged in another one.
            Key::Stuck(_) => corrupts && (!other.waits() || self.is_wherever(other)),
            Key::Killed(_) => corrupts || ABOUT_MAPPINGS.contains(&self.clause()),
            Key::Complaint(severity, place) => {
                let same = matches!(self.key(), Key::Complaint(_, mine) if mine == place);
                let fails_too = matches!(self.key(), Key::Clause(_)) && self.is_wherever(other);
                // A clause about lifetimes and lists is violated in more than one function.
                let of_one = corrupts && self.clause() == other.clause();
                let counts = self.natures().any(|nature| *nature == Nature::Underflow) && other.is_about_counts();
                let damages = corrupts && self.may_lead_to(other);
                same || of_one || counts || (damages || fails_too) && *severity != Severity::MemoryCorruption
            }
            Key::Clause(clause) => {
                corrupts && (self.clause() == clause || self.spoils_closing_for(other)) || self.saw_the_same(other)
            }
        };
        // If buffers are never released, every case that waits for a release fails, and nothing else.
        if self.clause() == "L-1" && (self.leaks() || self.saw_only(Nature::is_leak)) {
            return consequence || other.leaks() || other.saw_only(Nature::follows_from_closing);
        }
        consequence || self.explains_clause_of(other)
    }

    /// Whether closing an alias damages memory, and all that the other one saw is that aliases give something back too late or never.
    fn spoils_closing_for(&self, other: &Group<'_>) -> bool {
        matches!(self.clause(), "L-1" | "L-2")
            && self.foundation().is_some_and(|it| it <= Foundation::Listing)
            && self.needs_aliases
            && other.needs_aliases
            && !ABOUT_REFUSALS.contains(&other.clause())
            && other.saw_only(Nature::follows_from_closing)
    }

    /// Whether the clause of the other one cannot hold without this one's.
    fn explains_clause_of(&self, other: &Group<'_>) -> bool {
        if self.is_of_aliases_and_not(other) || !self.may_lead_to(other) {
            return false;
        }
        let in_table = |table: &[(&str, &[&str])]| {
            table.iter().any(|(clause, follow)| *clause == self.clause() && follow.contains(&other.clause()))
        };
        let compared = other.cases().any(|verdict| COMPARES.contains(&verdict.key.id()));
        let is_count = |nature: &Nature| nature.is_leak() || *nature == Nature::Underflow;
        let counts = other.natures().any(is_count);
        let saw = |nature: Nature| self.natures().any(|seen| *seen == nature);
        let only = |nature: Nature| other.saw_only(|seen| *seen == nature);
        let no_buffer = |nature: &Nature| match nature {
            Nature::Refused(errnos) => errnos.iter().all(|errno| NOT_A_BUFFER.contains(&errno.as_str())),
            nature => nature.is_leak(),
        };
        let told = !compared && in_table(EXPLAINS)
            || saw(Nature::NotABuffer) && other.saw_only(no_buffer)
            || !counts && in_table(EXPLAINS_BUT_COUNTS)
            || other.saw_only(is_count) && in_table(EXPLAINS_COUNTS)
            || matches!(self.clause(), "I-3" | "I-4")
                && SHOW_NAMES.contains(&other.clause())
                && saw(Nature::Name)
                && only(Nature::Name)
            || saw(Nature::SameFile) && self.clause() == "I-1" && NEEDS_A_FILE.contains(&other.clause())
            || self.clause() == "EXP-5"
                && saw(Nature::WrongPage)
                && SHOW_PAGES.contains(&other.clause())
                && only(Nature::WrongPage);
        // Whoever sees another buffer sees another name, too: a wrong count alone has a reason of its own, and explains nothing else.
        let told = told && !only(Nature::FdinfoCount) && !self.saw_only(|seen| *seen == Nature::FdinfoCount)
            || self.clause() == "I-3" && only(Nature::FdinfoCount);
        // Not if the consequence is worse than its explanation.
        told && other.symptom().severity >= self.symptom().severity
    }

    /// Whether this one is wrong with aliases only, and the other one without any, so that no alias is the reason.
    fn is_of_aliases_and_not(&self, other: &Group<'_>) -> bool {
        self.needs_aliases && !other.needs_aliases
    }

    /// Whether all that the checks of the other one saw follows from what this one saw.
    fn saw_the_same(&self, other: &Group<'_>) -> bool {
        let follows = |nature: &Nature| match nature {
            // What never gives anything back is seen by many cases, some of which see a refusal for another reason too. What other
            // files answer has nothing to do with dma-bufs.
            Nature::Refused(errnos) if errnos.is_empty() && self.clause().starts_with("UAPI-") => {
                self.natures().any(|mine| matches!(mine, Nature::Refused(_)))
            }
            Nature::Refused(_) => {
                !self.leaks_always() && other.clause() != "UAPI-7" && self.natures().any(|mine| mine.like(nature))
            }
            nature if nature.follows_from_closing() && self.leaks_always() => true,
            nature if nature.is_leak() && self.clause() == "UAPI-6" && other.clause() == "L-8" => {
                self.natures().any(Nature::is_leak)
            }
            Nature::SyncOfModel => matches!(self.clause(), "WAIT-2" | "WAIT-3"),
            // What is never given back takes memory.
            Nature::Memory => other.clause() == "L-11" && self.natures().any(|mine| mine.is_leak()),
            // Where a number is lost, the next descriptor does not get the lowest one.
            Nature::Number if other.clause() == "UAPI-4" => self.natures().any(|mine| *mine == Nature::Number),
            // What is put too often, except by imports, follows from a wrong release.
            Nature::Underflow => self.corrupts() && self.clause() == "L-1" && other.clause() != "L-3",
            _ => false,
        };
        other.saw_only(follows)
    }

    fn checks(&self) -> impl Iterator<Item = &FailedCheck> {
        self.shown.iter().flat_map(|(_, symptom)| &symptom.checks)
    }

    fn natures(&self) -> impl Iterator<Item = &Nature> {
        self.checks().map(|check| &check.nature)
    }

    /// Whether checks failed, and this is true of all that they saw.
    fn saw_only(&self, is: impl Fn(&Nature) -> bool) -> bool {
        self.natures().next().is_some() && self.natures().all(is)
    }

    /// Whether closing an alias leaves something behind, whatever was done with it.
    fn leaks_always(&self) -> bool {
        let judges = |verdict: &CaseVerdict| {
            let foundation = Foundation::judged_by(verdict.key.id());
            foundation.is_some_and(|it| matches!(it, Foundation::Deriving | Foundation::Closing))
        };
        self.shown.iter().any(|(verdict, symptom)| {
            judges(verdict)
                && (matches!(symptom.key, Key::Left(_)) || symptom.checks.iter().any(|check| check.nature.is_leak()))
        })
    }

    /// The first foundation that one of its cases judges.
    fn foundation(&self) -> Option<Foundation> {
        self.cases().filter_map(|verdict| Foundation::judged_by(verdict.key.id())).min()
    }

    /// Whether all that its cases say is that something is never given back.
    fn leaks(&self) -> bool {
        self.cases().all(|verdict| match verdict.verdict.detailed() {
            // A timeline is not kept by a buffer.
            Verdict::Failed { reasons } => {
                reasons.iter().all(|reason| is_leak(reason) && !reason.ends_with(STILL_LISTED))
            }
            _ => false,
        })
    }

    fn finding(&self, follow_ups: Vec<FollowUp>) -> Finding {
        let (shown, symptom) =
            self.shown.iter().min_by_key(|(verdict, _)| steps_to_it(verdict)).expect("a group has a verdict");
        let mut also: Vec<String> = Vec::new();
        let shown_first = symptom.checks.first().map(|check| &check.text);
        for FailedCheck { text, .. } in self.checks() {
            if shown_first != Some(text) && !also.contains(text) {
                also.push(text.clone());
            }
        }
        Finding {
            title: symptom.title.clone(),
            severity: self.symptom().severity,
            clause: self.clause().into(),
            case: shown.key.clone(),
            transcript: transcript(shown),
            kernel_log: kernel_log(shown),
            cases: self.keys(),
            also,
            follow_ups,
        }
    }

    fn follow_up(&self) -> FollowUp {
        FollowUp { clause: self.clause().into(), title: self.symptom().title.clone(), cases: self.keys() }
    }
}

/// Moves what explains another group before it, if they are equally serious.
fn causes_first(groups: &mut [Group<'_>]) {
    for last in 1..groups.len() {
        let first = (0..last).find(|&first| {
            let (consequence, cause) = (&groups[first], &groups[last]);
            consequence.symptom().severity == cause.symptom().severity
                && cause.explains_clause_of(consequence)
                && !consequence.explains_clause_of(cause)
        });
        if let Some(first) = first {
            groups[first..=last].rotate_right(1);
        }
    }
}

/// The findings of a run, the worst first.
pub fn group(verdicts: &[CaseVerdict]) -> Vec<Finding> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for verdict in verdicts {
        for symptom in Symptom::all_of(verdict) {
            let needs_aliases = derives(&verdict.key);
            match groups.iter_mut().find(|group| *group.key() == symptom.key) {
                Some(group) => {
                    group.needs_aliases &= needs_aliases;
                    group.shown.push((verdict, symptom));
                }
                None => groups.push(Group { shown: vec![(verdict, symptom)], needs_aliases }),
            }
        }
    }
    // Among equals, what most other cases rely on comes first, then the order of the suite decides.
    // A killed case says least.
    groups.sort_by_key(|group| {
        let foundation = group.foundation().map_or(usize::MAX, |it| it as usize);
        (group.symptom().severity, matches!(group.key(), Key::Killed(_)), foundation)
    });
    causes_first(&mut groups);
    let mut findings: Vec<Explained<'_>> = Vec::new();
    for group in groups {
        let cause_of =
            |group: &Group<'_>, findings: &[Explained<'_>]| findings.iter().position(|finding| finding.explains(group));
        if let Some(cause) = cause_of(&group, &findings) {
            findings[cause].add(group);
            continue;
        }
        // What violates one clause may have several reasons, some of which are known.
        let mut by_cause: BTreeMap<Option<usize>, Vec<Group<'_>>> = BTreeMap::new();
        for part in group.parts() {
            by_cause.entry(cause_of(&part, &findings)).or_default().push(part);
        }
        for (cause, part) in by_cause.into_iter().filter_map(|(cause, parts)| Some((cause, joined(parts)?))) {
            match cause {
                Some(cause) => findings[cause].add(part),
                None => findings.push(Explained { group: part, same: Vec::new(), follow_ups: Vec::new() }),
            }
        }
    }
    findings.into_iter().map(|finding| finding.group.finding(finding.follow_ups)).collect()
}

/// A group that is a finding, and what it explains.
struct Explained<'a> {
    group: Group<'a>,
    /// Other symptoms of the same clause: what they explain is explained by the same defect.
    same: Vec<Group<'a>>,
    follow_ups: Vec<FollowUp>,
}

impl<'a> Explained<'a> {
    fn explains(&self, other: &Group<'_>) -> bool {
        std::iter::once(&self.group).chain(&self.same).any(|group| group.explains(other))
    }

    fn add(&mut self, group: Group<'a>) {
        self.follow_ups.push(group.follow_up());
        if group.clause() == self.group.clause() {
            self.same.push(group);
        }
    }
}

/// The parts of one group together again.
fn joined(parts: Vec<Group<'_>>) -> Option<Group<'_>> {
    parts.into_iter().reduce(|mut all, part| {
        all.needs_aliases &= part.needs_aliases;
        all.shown.extend(part.shown);
        all
    })
}

#[cfg(test)]
pub(crate) mod tests;
