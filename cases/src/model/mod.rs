//! A model of what user space sees of a buffer's fences, to compare a kernel with.
//!
//! The kernel keeps the fences of a buffer in a reservation object (drivers/dma-buf/dma-resv.c). [`state`] is the same in a few
//! lines: which fences there are, who has to wait for them, and what a sync_file holds. [`generate`] makes sequences of calls
//! from a seed, [`play`] makes each call on a [`subject`] and compares what it shows with the model after every step, and
//! [`shrink`] looks for the shortest sequence that still differs.
//!
//! The model asks for what the kernel promises and leaves the rest open:
//!
//! - Whether a fence is pending, signalled or has an error is exact: a fence of a timeline signals when the timeline reaches its
//!   number (sync_timeline_signal() in sw_sync.c), and with ENOENT when the timeline is closed (sw_sync_debugfs_release()).
//! - poll(2) and DMA_BUF_IOCTL_SYNC are exact: a reader waits for write fences, a writer for all (dma_resv_usage_rw()).
//! - An export has, of each timeline, the latest pending fence. Earlier ones may be there too: dma_resv_add_fence() uses the
//!   slot of a signalled fence and leaves an earlier fence in its own. Only as long as nothing has signalled does a later
//!   import surely replace an earlier one, and then the export must show one fence.
//! - The order of the fences of a sync_file is open.
//! - A merged sync_file may forget fences that have signalled, and with them their errors (dma_fence_unwrap_merge()). Where one
//!   fence has an error and another is pending, the status of the sync_file is that of the one or of the other, because
//!   sync_file_ioctl_fence_info() takes the first that is not a success. The status without a list of fences may miss the
//!   error: the fence array learns of it only if somebody waits (dma_fence_array_signaled()).
//!
//! One thing is not played, because 6.1 to 7.2 hang: a timeline is closed while the callback of a poll(2) holds the last
//! reference on one of its pending fences. sw_sync_debugfs_release() signals under the lock that timeline_fence_release() takes.

pub mod expect;
pub mod explore;
pub mod generate;
pub mod play;
pub mod point;
pub mod random;
pub mod reservation;
pub mod shrink;
pub mod state;
pub mod step;
pub mod subject;

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
