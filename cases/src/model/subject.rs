//! What is compared with the model: a buffer of a kernel, or of a simulated one.

use nix::errno::Errno;

use crate::model::expect::{Reply, SyncFileView};
use crate::model::step::ModelStep;
use crate::uapi::dma_buf::SyncAccess;

/// Why a call could not be made as the model wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallFailure {
    /// A call that has to succeed returned an errno.
    Refused(Errno),
    /// The suite's own set-up failed.
    Setup(String),
}

/// A fresh buffer with several descriptors, timelines at 0, and room for sync_files.
pub trait Subject {
    /// Makes a step.
    ///
    /// # Errors
    /// [`CallFailure`].
    fn make(&mut self, step: &ModelStep) -> Result<Reply, CallFailure>;

    /// poll(2) on a descriptor of the buffer, for reading and writing.
    ///
    /// # Errors
    /// [`CallFailure`].
    fn ready(&mut self, fd: usize) -> Result<Reply, CallFailure>;

    /// Exports the fences through a descriptor, and looks at them.
    ///
    /// # Errors
    /// [`CallFailure`].
    fn exported(&mut self, fd: usize, access: SyncAccess) -> Result<SyncFileView, CallFailure>;

    /// Looks at a kept sync_file.
    ///
    /// # Errors
    /// [`CallFailure`].
    fn kept(&mut self, file: usize) -> Result<SyncFileView, CallFailure>;
}

/// The descriptors of a subject.
#[derive(Clone, Debug)]
pub struct SubjectFds<'a> {
    /// Their names. The first is the primary.
    pub names: Vec<&'a str>,
    /// How many of them, from the first on, take write fences.
    pub writers: usize,
}
