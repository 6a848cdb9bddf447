//! Makes the steps of a sequence on a subject, and compares it with the model after each of them.

use crate::fixture::fence::access_text;
use crate::model::expect::Reply;
use crate::model::state::ModelState;
use crate::model::step::{FILES, ModelStep, file_name};
use crate::model::subject::{CallFailure, Subject, SubjectFds};
use crate::steps::{ensure, errno_name};
use crate::uapi::dma_buf::SyncAccess;

/// Why a sequence did not get to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlayEnd {
    /// The subject differs from the model.
    Differs {
        /// After so many steps.
        steps: usize,
        /// How: what was seen, and what was expected.
        how: String,
    },
    /// The suite's own set-up failed.
    Setup(String),
}

/// Through how many descriptors the buffer is looked at after a step. Every descriptor is polled in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// Through one, another one after each step, and through all after the last.
    InTurn,
    /// Through all.
    Everywhere,
}

/// Makes the steps that the model allows, through `make`, and compares after each.
///
/// # Errors
/// [`PlayEnd`].
pub fn play<S: Subject>(
    steps: &[ModelStep],
    subject: &mut S,
    fds: &SubjectFds<'_>,
    looks: Looks,
    mut make: impl FnMut(&mut S, &ModelStep) -> Result<Reply, CallFailure>,
) -> Result<(), PlayEnd> {
    let mut model = ModelState::default();
    for (index, step) in steps.iter().enumerate() {
        if !model.allows(step) {
            continue;
        }
        let at = |how| PlayEnd::Differs { steps: index + 1, how };
        let wanted = model.make(step);
        let got = make(subject, step).map_err(|failure| failed(failure, &step.text(&fds.names), index + 1))?;
        ensure(got == wanted, || differs(&step.text(&fds.names), got.text(), wanted.text())).map_err(at)?;
        let all = looks == Looks::Everywhere || index + 1 == steps.len();
        let through = if all { 0..fds.names.len() } else { index % fds.names.len()..index % fds.names.len() + 1 };
        look(&model, subject, fds, through, index + 1)?;
    }
    Ok(())
}

/// Compares what a subject shows after a step.
fn look<S: Subject>(
    model: &ModelState,
    subject: &mut S,
    fds: &SubjectFds<'_>,
    through: std::ops::Range<usize>,
    steps: usize,
) -> Result<(), PlayEnd> {
    let at = |how| PlayEnd::Differs { steps, how };
    let wanted = model.ready(SyncAccess::ReadWrite);
    for (fd, name) in fds.names.iter().enumerate() {
        let call = || format!("poll({name}, POLLIN|POLLOUT)");
        let got = subject.ready(fd).map_err(|failure| failed(failure, &call(), steps))?;
        ensure(got == wanted, || differs(&call(), got.text(), wanted.text())).map_err(at)?;
    }
    for fd in through {
        for access in [SyncAccess::Read, SyncAccess::Write] {
            let call = || format!("export_sync_file({}, {})", fds.names[fd], access_text(access));
            let seen = subject.exported(fd, access).map_err(|failure| failed(failure, &call(), steps))?;
            model.exported(access).matches(&seen).map_err(|how| at(format!("{}: {how}", call())))?;
        }
    }
    for (file, set) in (0..FILES).filter_map(|file| Some((file, model.kept(file)?))) {
        let seen = subject.kept(file).map_err(|failure| failed(failure, &file_name(file), steps))?;
        set.matches(&seen).map_err(|how| at(format!("{}: {how}", file_name(file))))?;
    }
    Ok(())
}

fn differs(call: &str, got: &str, wanted: &str) -> String {
    format!("{call}: {got}, expected {wanted}")
}

fn failed(failure: CallFailure, call: &str, steps: usize) -> PlayEnd {
    match failure {
        CallFailure::Refused(errno) => {
            PlayEnd::Differs { steps, how: format!("{call}: {}, expected success", errno_name(errno)) }
        }
        CallFailure::Setup(why) => PlayEnd::Setup(why),
    }
}
