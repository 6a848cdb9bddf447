//! Fault cases that run inside the guest: many in one session, each followed by a plain case.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cases::faults::{FaultCase, GuestTuning};
use cases::protocol::{CaseKey, Record};
use harness::error::Result;
use harness::guest::qemu;
use harness::host::process::group_alive;
use harness::judge::guest_run::GuestRun;
use harness::judge::transcript::CaseRun;
use harness::judge::verdict::CaseVerdict;
use harness::session::guest_directories::{directories, directory};

use super::bench::{FaultBench, guest_of, last_case, passed, sentence, text};
use super::result_table::FaultRow;

/// The word for a run with a protocol error in which all cases passed.
pub const PROTOCOL: &str = "PROTOCOL";

/// Notes when records arrived, and the pids of QEMU.
#[derive(Debug)]
pub struct Clock {
    dir: PathBuf,
    seen: Vec<(SystemTime, Record)>,
    qemus: Vec<u32>,
}

impl Clock {
    /// For guests whose recordings go into `dir`, or into the directories of a session there.
    pub fn new(dir: &Path) -> Self {
        Clock { dir: dir.to_path_buf(), seen: Vec::new(), qemus: Vec::new() }
    }

    /// Notes a record.
    pub fn record(&mut self, record: &Record) {
        if matches!(record, Record::Hello { .. } | Record::Stop { .. } | Record::Count { .. })
            || matches!(record, Record::Begin { .. } | Record::End { .. })
        {
            self.seen.push((SystemTime::now(), record.clone()));
            self.look();
        }
    }

    /// Seconds from the start of a case until its verdict was known: at the record after its end, because complaints come
    /// before that, or at the end of its guest.
    pub fn known(&self, key: &CaseKey, guest: usize, took: Duration) -> Option<f64> {
        let begins = |record: &Record| matches!(record, Record::Begin { case, .. } if case == key);
        let ends = |record: &Record| matches!(record, Record::End { case, .. } if case == key);
        let first = self.seen.iter().position(|(_, record)| begins(record))?;
        let same_guest = self.seen[first..].iter().take_while(|(_, record)| !matches!(record, Record::Hello { .. }));
        let known = same_guest.skip_while(|(_, record)| !ends(record)).nth(1).map(|(at, _)| *at);
        let known = known.or_else(|| Some(self.born(guest)? + took))?;
        known.duration_since(self.seen[first].0).ok().map(|time| time.as_secs_f64())
    }

    /// The pid of the QEMU that was started last.
    pub fn latest(&self) -> Option<u32> {
        self.qemus.last().copied()
    }

    /// Processes of guests that are still alive.
    pub fn left(&mut self) -> Vec<String> {
        self.look();
        let left = self.qemus.iter().filter(|qemu| group_alive(**qemu as i32));
        left.map(|qemu| format!("process {qemu} is still alive")).collect()
    }

    fn look(&mut self) {
        let files = std::iter::once(self.dir.clone()).chain(directories(&self.dir)).map(|dir| dir.join(qemu::PID));
        let found: Vec<u32> = files.filter_map(|path| fs::read_to_string(path).ok()?.parse().ok()).collect();
        self.qemus.extend(found.into_iter().filter(|qemu| !self.qemus.contains(qemu)).collect::<Vec<_>>());
    }

    fn born(&self, guest: usize) -> Option<SystemTime> {
        let dirs = [self.dir.join(directory(guest + 1)), self.dir.clone()];
        dirs.iter().find_map(|dir| fs::metadata(dir.join(qemu::PID)).ok()?.modified().ok())
    }
}

/// Runs fault cases in one session.
///
/// # Errors
/// As [`harness::session::guests::Session::record`].
pub fn batch(bench: &FaultBench, setting: GuestTuning, faults: &[&'static FaultCase]) -> Result<Vec<FaultRow>> {
    let plan: Vec<CaseKey> = faults.iter().flat_map(|fault| [fault.key(), fault.after_key()]).collect();
    let dir = bench.session_dir()?;
    let mut clock = Clock::new(&dir);
    let guests = bench.session(&dir, setting, &plan, |record| clock.record(record))?;
    let left = clock.left();
    faults
        .iter()
        .map(|fault| {
            let what = FaultExpectation {
                name: fault.name(),
                claim: fault.case.claim_text(),
                expected: fault.expected.word(),
                words: fault.words,
                key: &fault.key(),
                after: Some(&fault.after_key()),
            };
            let mut row = judge(bench, &what, &guests, &clock)?;
            row.wrong.extend(left.iter().cloned());
            Ok(row)
        })
        .collect()
}

/// The result that a fault case has to have.
pub struct FaultExpectation<'a> {
    /// Its name.
    pub name: &'static str,
    /// What happens in it.
    pub claim: String,
    /// The expected verdict.
    pub expected: &'static str,
    /// Texts that the report has to contain.
    pub words: &'a [&'a str],
    /// The case.
    pub key: &'a CaseKey,
    /// The case after it.
    pub after: Option<&'a CaseKey>,
}

/// Judges a fault case and compares the result with the expectation.
///
/// # Errors
/// As [`FaultBench::judge`].
pub fn judge(bench: &FaultBench, what: &FaultExpectation<'_>, guests: &[GuestRun], clock: &Clock) -> Result<FaultRow> {
    let index = guest_of(guests, what.key);
    let own = index.map_or(guests, |index| &guests[index..=index]);
    let mut judged = bench.judge(what.key, own)?;
    let verdict = judged.verdicts.remove(0);
    // If other cases followed in the same guest, only the protocol errors of this case count.
    let last = index.is_none_or(|index| last_case(&guests[index]).is_none_or(|last| last == *what.key));
    let protocol_errors = match &verdict.run {
        Some(run) if !last => run.protocol_errors.clone(),
        _ => judged.protocol_errors,
    };
    let took = index.map_or(Duration::ZERO, |index| guests[index].recording.took);
    let seconds = match index {
        Some(index) => clock.known(what.key, index, took),
        None => guests.first().map(|guest| guest.recording.took.as_secs_f64()),
    };
    let report = bench.report(verdict.clone(), protocol_errors);
    let text = text(&report);
    let word = match passed(&verdict) && !report.protocol_errors.is_empty() {
        true => PROTOCOL,
        false => verdict.verdict.word(),
    };
    let says = match word {
        PROTOCOL => report.protocol_errors.join("; "),
        _ => sentence(&verdict.verdict),
    };
    let mut wrong = differences(what, &verdict, word, &text);
    if report.exit_code().number() == 0 {
        wrong.push("the run would end with exit code 0".into());
    }
    if let Some(after) = what.after {
        wrong.extend(after_it(bench, after, guests)?);
    }
    Ok(FaultRow {
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

fn differences(what: &FaultExpectation<'_>, verdict: &CaseVerdict, word: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !what.expected.split(' ').any(|expected| expected == word) {
        wrong.push(format!("expected {}", what.expected.replace(' ', " or ")));
    }
    if word != PROTOCOL && !text.contains(&what.key.0) {
        wrong.push("the report does not name the case".into());
    }
    if let Some(step) = verdict.run.as_ref().and_then(CaseRun::open_step)
        && !sentence(&verdict.verdict).contains(step)
    {
        wrong.push(format!("the step that never returned is not named: {step}"));
    }
    let missing = what.words.iter().filter(|word| !text.contains(*word));
    wrong.extend(missing.map(|word| format!("the report does not contain: {word}")));
    wrong
}

/// What is wrong with the case after a fault case.
fn after_it(bench: &FaultBench, after: &CaseKey, guests: &[GuestRun]) -> Result<Option<String>> {
    let index = guest_of(guests, after);
    let own = index.map_or(guests, |index| &guests[index..=index]);
    let verdict = bench.judge(after, own)?.verdicts.remove(0);
    let how = || format!("the next case is {}: {}", verdict.verdict.word(), sentence(&verdict.verdict));
    Ok((!passed(&verdict)).then(how))
}
