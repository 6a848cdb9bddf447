//! Slots of a V4L2 queue for another kind of memory than it has.

use crate::fixture::vivid::SLOTS;
use crate::prelude::*;
use crate::uapi::v4l2::Memory;

case! {
    /// A queue with slots for dma-bufs refuses more slots for memory of its own or of the caller, and such buffers, with EINVAL;
    /// so does a queue with slots of its own memory for dma-bufs. Afterwards it has as many slots as before, and holds what it
    /// held. More slots of the same kind are added, but none whose size, in pages, would be 4 GiB.
    "IMP-5", Contract, Exporter::HEAP, [Vivid, TestImporter, KernelMapping],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (vivid, bytes) = Vivid::with_small_frames()?;
    let primary = s.export(on.exporter, frame_pages(bytes))?.primary;
    let observer = BufferObserver::start(&primary)?;
    observer.needs_kernel_mapping(&primary)?;
    let unheld = observer.counts(&[&primary])?;
    let node = vivid.as_fd();
    let slots = |memory| v4l2::request_slots_of(node, SLOTS, memory).or_broken("VIDIOC_REQBUFS");

    slots(Memory::DmaBuf)?;
    let queued = s.vivid_queue(&vivid, 0, &primary);
    s.succeeds("a dma-buf is queued", queued)?;
    let held = observer.counts(&[&primary])?;
    for (what, memory) in [("its own memory", Memory::Mmap), ("the caller's memory", Memory::UserPtr)] {
        let added = v4l2::add_slots(node, 1, memory);
        let refusal = refused("it", &added, &[Errno::EINVAL]);
        s.must_hold(format!("slots for dma-bufs: one more for {what} gives EINVAL"), refusal)?;
        let queued = v4l2::queue_of(node, 1, memory, primary.number());
        s.fails_with(format!("slots for dma-bufs: a buffer of {what} gives EINVAL"), &queued, Errno::EINVAL);
    }
    s.equal("slots for dma-bufs: as many as before", slot_exists(&vivid, SLOTS), Err(Errno::EINVAL));
    s.holds("slots for dma-bufs: the queue holds what it held", observer.unchanged(&[&primary], &held)?);
    let added = v4l2::add_slots(node, 1, Memory::DmaBuf);
    s.equal("slots for dma-bufs: one more of these is the next", added, Ok(SLOTS));
    s.equal("slots for dma-bufs: it can be asked for", slot_exists(&vivid, SLOTS), Ok(()));

    slots(Memory::Mmap)?;
    s.holds("slots of its own memory: it holds no dma-buf any more", observer.unchanged(&[&primary], &unheld)?);
    let added = v4l2::add_slots(node, 1, Memory::DmaBuf);
    let refusal = refused("it", &added, &[Errno::EINVAL]);
    s.must_hold("slots of its own memory: one more for dma-bufs gives EINVAL", refusal)?;
    let queued = v4l2::queue_of(node, 0, Memory::DmaBuf, primary.number());
    s.fails_with("slots of its own memory: a dma-buf gives EINVAL", &queued, Errno::EINVAL);
    s.holds("slots of its own memory: it holds nothing of that", observer.unchanged(&[&primary], &unheld)?);
    let added = v4l2::add_slot_of(node, u32::MAX);
    let refusal = refused("it", &added, &[Errno::EINVAL, Errno::ENOMEM]);
    s.must_hold("slots of its own memory: one of 4 GiB less a byte gives EINVAL or ENOMEM", refusal)?;

    slots(Memory::DmaBuf)?;
    let queued = s.vivid_queue(&vivid, 0, &primary);
    s.succeeds("slots for dma-bufs again: a dma-buf is queued", queued)?;
    slots(Memory::UserPtr)?;
    let own = memory::anonymous(bytes.next_multiple_of(PAGE), RW).or_broken("anonymous memory")?;
    let queued = v4l2::queue_address(node, 0, own.address(), bytes as u32);
    s.succeeds("slots for the caller's memory: its own is queued", queued)?;
    slots(Memory::UserPtr)?;
    let mapped = memory::map(primary.as_fd(), own.len(), RW, libc::MAP_SHARED, 0).or_broken("a mapping")?;
    let queued = v4l2::queue_address(node, 0, mapped.address(), bytes as u32);
    let refusal = refused("it", &queued, &[Errno::EFAULT, Errno::EINVAL]);
    s.must_hold("slots for the caller's memory: a mapping of the dma-buf gives EFAULT or EINVAL", refusal)?;
    drop((own, mapped, vivid));
    s.holds("device closed: counts as before", observer.unchanged(&[&primary], &unheld)?);
    Ok(())
}

/// QUERYBUF, which gives EINVAL for a slot that does not exist.
fn slot_exists(vivid: &Vivid, index: u32) -> Result<(), Errno> {
    v4l2::queued(vivid.as_fd(), index).map(drop)
}
