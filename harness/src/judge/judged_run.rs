//! Turns the recordings of a session into one verdict for every planned case.

use std::time::Duration;

use cases::protocol::CaseKey;
use cases::suite;

use crate::error::{Error, ErrorKind, Result};
use crate::guest::recording::{GuestEnd, Phase, Recording};
use crate::judge::complaint::Complaint;
use crate::judge::complaint::line::ConsoleLine;
use crate::judge::context::JudgeContext;
use crate::judge::foundations::Violated;
use crate::judge::guest_run::{GuestRun, StopReason};
use crate::judge::repeated;
use crate::judge::task_dump;
use crate::judge::transcript::Transcript;
use crate::judge::verdict::{CaseVerdict, Evidence, Verdict, judge};

/// The result of a session: the verdicts over the recordings of all guests.
#[derive(Debug)]
pub struct JudgedRun {
    /// One verdict for every planned case, in planned order.
    pub verdicts: Vec<CaseVerdict>,
    /// Violations of the protocol, and complaints that belong to no case.
    pub protocol_errors: Vec<String>,
    /// `uname -r` of the guest.
    pub kernel: Option<String>,
    /// Wall time of each guest.
    pub guests: Vec<Duration>,
    /// Whether the user interrupted the session.
    pub interrupted: bool,
    /// How many cases ran while lockdep did not check the order of locks: see [`repeated`].
    pub order_unchecked: usize,
}

/// Judges recordings. Pure except for reading snapshots, so a run can be judged again from disk.
///
/// # Errors
/// [`ErrorKind::Internal`] when a planned key is not a case of this suite.
pub fn judge_all(plan: &[CaseKey], guests: &[GuestRun], context: &JudgeContext) -> Result<JudgedRun> {
    let mut judged = JudgedRun {
        verdicts: Vec::new(),
        protocol_errors: Vec::new(),
        kernel: None,
        guests: guests.iter().map(|guest| guest.recording.took).collect(),
        interrupted: guests.iter().any(|guest| guest.recording.ending == GuestEnd::Interrupted),
        order_unchecked: guests
            .iter()
            .filter(|guest| repeated::is_order_unchecked(guest))
            .map(|guest| guest.begun().len())
            .sum(),
    };
    let mut heard = Vec::new();
    for (index, guest) in guests.iter().enumerate() {
        let transcript = &guest.transcript;
        let complaints = context.complaints(guest.recording.unasked(), transcript);
        let loss = loss(&guest.recording, transcript, &complaints);
        judged.kernel = judged.kernel.or_else(|| transcript.kernel.clone());
        let ended_here = guest.recording.ending.is_by_choice();
        let torn = transcript.unfinished().is_some() || transcript.plan.is_none() || ended_here;
        for error in &transcript.protocol_errors {
            // The last line of a guest that died or was ended is usually incomplete; the loss already says so.
            if !(torn && error.starts_with("the channel ends inside")) {
                judged.protocol_errors.push(format!("guest {}: {error}", index + 1));
            }
        }
        if transcript.plan.as_ref().is_some_and(|plan| *plan != guest.planned) {
            judged
                .protocol_errors
                .push(format!("guest {}: the announced plan is not the plan that it was given", index + 1));
        }
        if transcript.search_due && !ended_here {
            judged
                .protocol_errors
                .push(format!("guest {}: it ended before its memory was searched for leaks", index + 1));
        }
        for complaint in complaints.iter().filter(|complaint| complaint.suppressed.is_none()) {
            let title = &complaint.title;
            match &complaint.case {
                None => judged.protocol_errors.push(format!("guest {}: before any case: {title}", index + 1)),
                Some(case) if !plan.contains(case) => {
                    judged
                        .protocol_errors
                        .push(format!("guest {}: in {case}, which was not planned: {title}", index + 1));
                }
                Some(_) => {}
            }
        }
        let replaced = guests.iter().skip(index + 1).position(|later| later.planned == guest.planned);
        if let Some(later) = replaced.filter(|_| transcript.cases.is_empty() && !ended_here) {
            // Always reported: this can be a failure of the host, or a kernel that boots only sometimes.
            let later = index + later + 2;
            judged
                .protocol_errors
                .push(format!("guest {} began no case ({loss}); guest {later} took its place", index + 1));
        } else if transcript.count.is_none() && transcript.unfinished().is_none() && !ended_here {
            judged.protocol_errors.push(format!("guest {}: no closing count: {loss}", index + 1));
        }
        heard.push((transcript, complaints, loss, guest));
    }
    for key in plan {
        let (case, _) = suite::find(key)
            .ok_or_else(|| Error::new(ErrorKind::Internal, format!("{key} was planned but is not a case")))?;
        let found = heard.iter().find_map(|(transcript, complaints, loss, guest)| {
            let handed_on = guest.handed_on() == Some(key);
            let run = transcript.cases.iter().find(|run| run.key == *key && !handed_on)?;
            // A guest is stuck in the case it ran last.
            let last = transcript.cases.last().is_some_and(|case| case.key == *key);
            let ended_here = guest.recording.ending.is_by_choice();
            let stuck = last.then_some(&guest.recording);
            Some((run, complaints, loss, guest.halt.filter(|_| ended_here), stuck))
        });
        // The last guest that had it in its plan.
        let hoped = || heard.iter().rev().find(|(.., guest)| guest.planned.contains(key)).or(heard.last());
        let halted = match &found {
            Some((.., halt, _)) => *halt,
            None => hoped().and_then(|(.., guest)| guest.halt),
        };
        let halted = halted.map(StopReason::reason);
        let evidence = match found {
            Some((run, complaints, loss, _, stuck)) => Evidence {
                case,
                key: key.clone(),
                run: Some(run),
                complaints: of_case(complaints, key),
                loss,
                halted: halted.as_deref(),
                processors: stuck.map_or(&[], |recording| &recording.findings.processors),
                tasks: stuck.map(task_dump::tasks).unwrap_or_default(),
            },
            None => {
                // If no case began, the place where the last guest hung is the reason for this one too.
                let boot = hoped().filter(|(transcript, ..)| transcript.cases.is_empty());
                Evidence {
                    case,
                    key: key.clone(),
                    run: None,
                    // The mark on the console comes before the record that the case begins.
                    complaints: heard.iter().flat_map(|(_, complaints, ..)| of_case(complaints, key)).collect(),
                    loss: hoped().map_or("no guest was started", |(_, _, loss, _)| loss),
                    halted: halted.as_deref(),
                    processors: boot.map_or(&[], |(.., guest)| guest.recording.findings.processors.as_slice()),
                    tasks: boot.map(|(.., guest)| task_dump::tasks(&guest.recording)).unwrap_or_default(),
                }
            }
        };
        judged.verdicts.push(judge(evidence, context));
    }
    let violated = Violated::of(&judged.verdicts);
    for verdict in &mut judged.verdicts {
        if let Some(clause) = violated.blocks(&verdict.key).filter(|_| verdict.run.is_none()) {
            verdict.verdict = Verdict::Blocked { by: clause.into() };
        }
    }
    Ok(judged)
}

pub(crate) fn of_case(complaints: &[Complaint], key: &CaseKey) -> Vec<Complaint> {
    complaints.iter().filter(|complaint| complaint.case.as_ref() == Some(key)).cloned().collect()
}

/// How a guest ended, in one line.
fn loss(recording: &Recording, transcript: &Transcript, complaints: &[Complaint]) -> String {
    if let Some(panic) = complaints.iter().find(|complaint| complaint.is_fatal()) {
        return format!("the kernel panicked: {}", panic.title);
    }
    match &recording.ending {
        GuestEnd::Left | GuestEnd::Dismissed => match (&transcript.stop, &transcript.kernel) {
            (Some(reason), _) => format!("the runner aborted the guest: {reason}"),
            (None, Some(_)) => "the guest restarted without a message".into(),
            (None, None) if recording.console.is_empty() => "the guest restarted before its first byte".into(),
            (None, None) => "the guest restarted before init started".into(),
        },
        GuestEnd::QemuDied { status, stderr } if stderr.is_empty() => format!("QEMU ended with {status}"),
        GuestEnd::QemuDied { status, stderr } => format!("QEMU ended with {status}: {}", stderr.trim()),
        GuestEnd::Stalled { phase, silent_ms } => stalled(phase, *silent_ms, recording),
        GuestEnd::Flooded { outlet, mib, phase } => {
            format!("the guest printed more than {mib} MiB on its {outlet} while {phase}")
        }
        GuestEnd::Interrupted => StopReason::Interrupted.reason(),
        GuestEnd::Enough => StopReason::FailFast.reason(),
    }
}

fn stalled(phase: &Phase, silent_ms: u64, recording: &Recording) -> String {
    let seconds = format!("{:.1} s", silent_ms as f64 / 1000.0);
    let text = String::from_utf8_lossy(recording.unasked());
    let last = text.lines().map(|line| ConsoleLine::parse(line).text.trim()).rfind(|line| !line.is_empty());
    let last = last.map(|line| line.chars().take(120).collect::<String>()).unwrap_or_default();
    match phase {
        Phase::Firmware => format!("no output on the console for {seconds} after QEMU started"),
        Phase::Kernel => format!("no output of the kernel for {seconds} while booting; its last line: `{last}`"),
        Phase::Boot => {
            format!("the kernel did not start the runner within {seconds}, but still printed; its last line: `{last}`")
        }
        Phase::Runner => format!("no plan within {seconds} after init started"),
        Phase::Case { limit_ms, .. } => {
            let limit = *limit_ms as f64 / 1000.0;
            format!("{phase} took longer than {seconds}: its limit is {limit:.1} s, and the guest did not end it")
        }
        Phase::Probing | Phase::Between => format!("the guest was silent for {seconds} {phase}"),
        Phase::Leaving => format!("the guest did not power off within {seconds} after its last record"),
    }
}
