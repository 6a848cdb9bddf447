//! A child that is still running.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use super::{CLEANING_UP, STRAGGLERS, check_interrupt, groups};
use crate::error::{Error, ErrorKind, Result};
use crate::host::progress;

/// A running child. Dropping it kills its process group.
#[derive(Debug)]
pub struct Running {
    pub(super) child: Child,
    pub(super) killable: bool,
    pub(super) program: String,
    pub(super) started: Instant,
}

impl Running {
    /// The child's standard output; None the second time.
    pub fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Its process id, which is also its process group id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when wait(2) fails.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().map_err(|error| Error::new(ErrorKind::Internal, "waiting for a child").cause(error))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupt`] on Ctrl-C, with the group stopped; [`ErrorKind::Internal`] when wait(2) fails.
    pub fn finish(&mut self) -> Result<ExitStatus> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if let Err(interrupt) = check_interrupt() {
                self.stop();
                return Err(interrupt);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Sends SIGTERM to the group, and SIGKILL after a while. Returns whether SIGTERM was enough.
    pub fn stop(&mut self) -> bool {
        let mut deadline = Instant::now() + CLEANING_UP;
        let mut led = true;
        groups::terminate(self.group());
        while !groups::closed() && Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                if !groups::alive(self.group()) {
                    return true;
                }
                if std::mem::take(&mut led) {
                    deadline = deadline.min(Instant::now() + STRAGGLERS);
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill_group();
        false
    }

    /// Kills the process group.
    pub fn kill_group(&mut self) {
        groups::kill(self.group());
    }

    pub(super) fn group(&self) -> i32 {
        self.child.id() as i32
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Other processes of the group may have outlived the leader.
        if self.killable {
            self.kill_group();
        }
        let status = self.child.wait();
        progress::detail(|| {
            let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            format!("= {}: {}, {how}", self.program, progress::duration(self.started.elapsed()))
        });
        groups::ended(self.group());
    }
}
