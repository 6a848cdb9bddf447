//! Endings that a guest brings about itself, many in one session, each with a plain case after it.

use std::time::{Duration, Instant};

use cases::endings::{Ending, Setting};
use cases::protocol::{CaseKey, Record};
use harness::error::Result;
use harness::guest::Observer;
use harness::process::group_alive;
use harness::session::GuestRun;
use harness::transcript::CaseRun;
use harness::verdict::CaseVerdict;

use super::lab::{Lab, guest_of, held, last_case, sentence, text};
use super::row::Row;

/// Notes when things happened.
#[derive(Debug, Default)]
pub struct Clock {
    guests: Vec<(u32, Instant)>,
    seen: Vec<(usize, Instant, Record)>,
}

impl Observer for Clock {
    fn started(&mut self, qemu: u32) {
        self.guests.push((qemu, Instant::now()));
    }

    fn record(&mut self, record: &Record) {
        if matches!(record, Record::Begin { .. } | Record::End { .. } | Record::Stop { .. } | Record::Count { .. }) {
            self.seen.push((self.guests.len(), Instant::now(), record.clone()));
        }
    }
}

impl Clock {
    /// From the start of a case to the moment when the suite knew how it came out: with the record after its end, because
    /// complaints come before that, or with the end of the guest, which started when `clock` says and took `took`.
    pub fn known(&self, key: &CaseKey, took: Duration) -> Option<f64> {
        let begins = |record: &Record| matches!(record, Record::Begin { case, .. } if case == key);
        let ends = |record: &Record| matches!(record, Record::End { case, .. } if case == key);
        let first = self.seen.iter().position(|(.., record)| begins(record))?;
        let (guest, begun, _) = &self.seen[first];
        let later = self.seen[first..].iter().filter(|(number, ..)| number == guest);
        let known = later.skip_while(|(.., record)| !ends(record)).nth(1).map(|(_, at, _)| *at);
        let known = known.or_else(|| Some(self.guests.get(guest.checked_sub(1)?)?.1 + took))?;
        Some(known.saturating_duration_since(*begun).as_secs_f64())
    }

    /// Process ids of the guests.
    pub fn qemus(&self) -> impl Iterator<Item = u32> + '_ {
        self.guests.iter().map(|(qemu, _)| *qemu)
    }
}

/// Runs endings through one session.
///
/// # Errors
/// As [`harness::session::Session::record`].
pub fn batch(lab: &Lab, setting: Setting, endings: &[&'static Ending]) -> Result<Vec<Row>> {
    let plan: Vec<CaseKey> = endings.iter().flat_map(|ending| [ending.key(), ending.after_key()]).collect();
    let mut clock = Clock::default();
    let guests = lab.session(&lab.room()?, setting, Vec::new(), &plan, &mut clock)?;
    let left: Vec<u32> = clock.qemus().filter(|qemu| group_alive(*qemu)).collect();
    endings
        .iter()
        .map(|ending| {
            let what = What {
                name: ending.name(),
                claim: ending.case.claim_text(),
                expected: ending.expected.word(),
                words: ending.words,
                key: &ending.key(),
                after: Some(&ending.after_key()),
            };
            let mut row = judge(lab, &what, &guests, &clock)?;
            row.wrong.extend(left.iter().map(|qemu| format!("process {qemu} is still there")));
            Ok(row)
        })
        .collect()
}

/// What an ending has to come out as.
pub struct What<'a> {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub claim: String,
    /// The verdict's word.
    pub expected: &'static str,
    /// What the report has to hold.
    pub words: &'a [&'a str],
    /// The case.
    pub key: &'a CaseKey,
    /// The case after it.
    pub after: Option<&'a CaseKey>,
}

/// Judges the case of an ending, and compares.
///
/// # Errors
/// As [`Lab::judge`].
pub fn judge(lab: &Lab, what: &What<'_>, guests: &[GuestRun], clock: &Clock) -> Result<Row> {
    let index = guest_of(guests, what.key);
    let own = index.map_or(guests, |index| &guests[index..=index]);
    let mut judged = lab.judge(what.key, own)?;
    let verdict = judged.verdicts.remove(0);
    // Where other cases came after it in the same guest, only the case's own oddities count.
    let last = index.is_none_or(|index| last_case(&guests[index]).is_none_or(|last| last == *what.key));
    let oddities = match &verdict.run {
        Some(run) if !last => run.oddities.clone(),
        _ => judged.oddities,
    };
    let took = index.map_or(Duration::ZERO, |index| guests[index].recording.took);
    let seconds = match index {
        Some(_) => clock.known(what.key, took),
        None => guests.first().map(|guest| guest.recording.took.as_secs_f64()),
    };
    let report = lab.report(verdict.clone(), oddities);
    let text = text(&report);
    let word = match held(&verdict) && !report.oddities.is_empty() {
        true => "ODD",
        false => verdict.verdict.word(),
    };
    let says = match word {
        "ODD" => report.oddities.join("; "),
        _ => sentence(&verdict.verdict),
    };
    let mut wrong = differences(what, &verdict, word, &text);
    if report.exit_code().number() == 0 {
        wrong.push("the run would end with exit code 0".into());
    }
    if let Some(after) = what.after {
        wrong.extend(after_it(lab, after, guests)?);
    }
    Ok(Row {
        name: what.name,
        claim: what.claim.clone(),
        expected: what.expected,
        verdict: word.into(),
        exit_code: Some(report.exit_code().number()),
        seconds,
        says,
        wrong,
    })
}

fn differences(what: &What<'_>, verdict: &CaseVerdict, word: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if word != what.expected {
        wrong.push(format!("it has to be {}", what.expected));
    }
    if word != "ODD" && !text.contains(&what.key.0) {
        wrong.push("the report does not name the case".into());
    }
    if let Some(step) = verdict.run.as_ref().and_then(CaseRun::open_step)
        && !sentence(&verdict.verdict).contains(step)
    {
        wrong.push(format!("the step that never returned is not named: {step}"));
    }
    let missing = what.words.iter().filter(|word| !text.contains(*word));
    wrong.extend(missing.map(|word| format!("the report does not say: {word}")));
    wrong
}

/// What is wrong with the case after an ending.
fn after_it(lab: &Lab, after: &CaseKey, guests: &[GuestRun]) -> Result<Option<String>> {
    let index = guest_of(guests, after);
    let own = index.map_or(guests, |index| &guests[index..=index]);
    let verdict = lab.judge(after, own)?.verdicts.remove(0);
    let how = || format!("the case after it is {}: {}", verdict.verdict.word(), sentence(&verdict.verdict));
    Ok((!held(&verdict)).then(how))
}
