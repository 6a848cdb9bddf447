//! What most cases use: `use crate::prelude::*;`.

pub use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
pub use std::time::{Duration, Instant};

pub use nix::errno::Errno;
pub use nix::libc;
pub use nix::poll::PollFlags;
pub use nix::unistd::{Pid, Whence, getpid, lseek};

pub use crate::case;
pub use crate::case::Judgement::{Contract, Hazard, Record};
pub use crate::exporter::Exporter;
pub use crate::need::Need;
pub use crate::steps::{Abort, CaseResult, OrBroken, Steps, ensure, errno_name, gave, outcome_name};
pub use crate::variant::{ALIASES, CaseParams, DUPLICATES, EXPORTED, FdKind};

pub use crate::fixture::apart::Apart;
pub use crate::fixture::bad_pointers::{BadPointers, PointerRequest};
pub use crate::fixture::balance::{Balance, refused};
pub use crate::fixture::blocked::{Blocked, is_asleep};
pub use crate::fixture::buffer::{Buffer, Exporting, SYSTEM_HEAP, UDMABUF, export, heap, sealed_memfd};
pub use crate::fixture::confined::{Attempt, BROKER, CLIENT, Confinement, NOT_RECEIVED, READER};
pub use crate::fixture::descriptors::Descriptors;
pub use crate::fixture::device::{io_errno, open_device};
pub use crate::fixture::display::Display;
pub use crate::fixture::facts::{
    BUFINFO, FdInfo, STATISTICS, devices_in_bufinfo, exporters_listed, fdinfo, fdinfo_keys, fences_in_bufinfo,
    files_listed, identity, name_in_maps, names_in_bufinfo, number_in, times_listed,
};
pub use crate::fixture::fault::{FailNth, Failing, Found, NO_MEMORY, some};
pub use crate::fixture::fd::{Fd, RDONLY, RDWR, closes_on_exec, flags_text, next_number, refusal_clause, reopen};
pub use crate::fixture::fence::{
    self, Timeline, access_text, describe, fences, pending, poll_for, poll_for_reading, poll_now, poll_text, same_fence,
};
pub use crate::fixture::limit::{FileMax, with_fd_limit};
pub use crate::fixture::mapping::{RW, fill, pattern, prot_text, sharing_text, shows_pattern, store, wrong_page};
pub use crate::fixture::mem2mem::{self, Mem2mem};
pub use crate::fixture::message::Pair;
pub use crate::fixture::model_buffer::{self, ModelBuffer};
pub use crate::fixture::observer::{
    BufferObserver, buffers_listed, drain_if_possible, is_gone, settled, wait_for_deferred_work,
};
pub use crate::fixture::permutations::permutations;
pub use crate::fixture::poller::{Sleeper, Wakeups};
pub use crate::fixture::process::{become_nobody, close_others, in_child, wait_for_child};
pub use crate::fixture::racers::race;
pub use crate::fixture::read_only::ReadOnlyBuffer;
pub use crate::fixture::ref_snapshot::RefSnapshot;
pub use crate::fixture::rights_walk::{Rights, RightsWalk};
pub use crate::fixture::slab::{Activity, SlabCaches};
pub use crate::fixture::stages::{STAGES, Staged, reader_refused};
pub use crate::fixture::stalled::while_stopped;
pub use crate::fixture::sync_info::{SYNC_INFO, listed_timelines, pending_on};
pub use crate::fixture::two_callers::{AS_32_BIT, AS_64_BIT, IoctlRequest, TwoCallers};
pub use crate::fixture::vgem::{self, Vgem, VgemHandle};
pub use crate::fixture::video_output::{self, VideoOutput};
pub use crate::fixture::vivid::{self, Vivid, frame_pages};

pub use crate::model::expect::Reply;
pub use crate::model::generate::seed;
pub use crate::model::subject::{CallFailure, Subject};

pub use crate::uapi::arch::{END_OF_USER_SPACE, compat};
pub use crate::uapi::derive::{DeriveArgs, POISON, derive, derive_with, shape, take_derived};
pub use crate::uapi::dma_buf::{
    self, SyncAccess, begin_cpu_access, end_cpu_access, export_sync_file, import_sync_file, set_name,
};
pub use crate::uapi::dma_heap::{self, Allocation};
pub use crate::uapi::importer::{Count, Direction, FenceOrder, Importer, Totals, Usage};
pub use crate::uapi::memory::{self, Mapping, PAGE, anonymous, anonymous_low};
pub use crate::uapi::process::{ChildStatus, kill_and_reap, pidfd, same_description, spawn};
pub use crate::uapi::stall::StallPoint;
pub use crate::uapi::udmabuf::{self, RawRange};
pub use crate::uapi::{
    IOC_READ, IOC_WRITE, borrow_number, close_number, drm, dup, edu, fcntl, ioc, ioctl_address, ioctl_raw, iommu,
    sw_sync, sync_file, ticks_of, v4l2,
};
