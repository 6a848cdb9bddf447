//! Mappings and exports of a V4L2 queue's own memory that have to be refused.

use crate::fixture::vivid::SLOTS;
use crate::prelude::*;

case! {
    /// A mapping of more than a frame buffer has, of an offset where there is none, or of a write-only kind gives EINVAL, and so does an export
    /// of an index that there is not or with other flags than an access mode and O_CLOEXEC. Afterwards the same frame buffer is mapped and exported,
    /// and both show the same memory. The queue frees its memory while they exist, and they keep it.
    "IMP-5", Contract, &[Exporter::Vivid], [Vivid, TestImporter],
    relies on [Listing]
}

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let (camera, bytes) = Vivid::with_small_frames()?;
    let len = bytes.next_multiple_of(PAGE);
    let created = s.vivid_own_slots(&camera, SLOTS);
    s.succeeds("the camera makes frame buffers", created)?;
    let offset = v4l2::map_offset(camera.as_fd(), 0).or_broken("VIDIOC_QUERYBUF")?;
    for (what, len, prot, offset) in [
        ("a page more than a frame buffer has", len + PAGE, RW, offset),
        ("an offset where there is no frame buffer", PAGE, RW, 1 << 26),
        ("no access for reading", len, libc::PROT_WRITE, offset),
    ] {
        let mapped = memory::map(camera.as_fd(), len, prot, libc::MAP_SHARED, offset);
        s.must_hold(format!("mmap with {what} gives EINVAL"), refused("it", &mapped, &[Errno::EINVAL]))?;
    }
    for (what, index, flags) in [
        ("an index that there is not", SLOTS, RDWR),
        ("O_NONBLOCK", 0, RDWR | libc::O_NONBLOCK as u32),
        ("access mode 3", 0, libc::O_ACCMODE as u32),
    ] {
        let exported = v4l2::export(camera.as_fd(), index, flags);
        if what == "access mode 3" && exported.is_ok() {
            s.note("EXPBUF takes access mode 3");
            continue;
        }
        s.must_hold(format!("EXPBUF with {what} gives EINVAL"), refused("it", &exported, &[Errno::EINVAL]))?;
    }
    let mapped = memory::map(camera.as_fd(), len, RW, libc::MAP_SHARED, offset);
    let mapped = s.succeeds("then the frame buffer can be mapped", mapped)?;
    let exported = s.vivid_export("exported", &camera, 0, RDWR);
    let exported = s.succeeds("then the frame buffer can be exported", exported)?;
    let observer = BufferObserver::start(&exported)?;
    fill(&exported, len, 3).or_broken("filling a buffer")?;
    let shows = |mapped: &Mapping| {
        let wrong = (0..len / PAGE).find(|page| mapped.read(page * PAGE) != pattern(*page, 3));
        ensure(wrong.is_none(), || format!("page {} differs", wrong.unwrap_or_default()))
    };
    s.holds("the mapping shows what is written through the descriptor", shows(&mapped));
    let freed = s.vivid_free_own_slots(&camera);
    s.succeeds("the camera frees its memory while it is mapped", freed)?;
    drop(camera);
    s.holds("the mapping still shows it", shows(&mapped));
    drop(mapped);
    s.holds("the descriptor still shows it", shows_pattern(&exported, len, 3));
    drop(exported);
    s.check_gone(&observer, "with everything closed")?;
    Ok(())
}
