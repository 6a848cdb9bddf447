//! A reader whose fence fails.

use crate::prelude::*;

case! {
    /// The holder of a read-only alias imports a fence, and the producer exports its own fence and that one as a sync_file. The reader
    /// closes the timeline of its fence: the producer's sync_file ends with an error, although the producer's fence has none. If the
    /// reader's fence signals, it does not.
    "H-10", Hazard("an exported sync_file has the fences of readers too, and the error of one of them is that of the whole"),
    Exporter::HEAP, [Derive, SwSync],
    relies on [Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    for fails in [false, true] {
        let (own, timeline) = (Timeline::named("producer")?, Timeline::named("reader")?);
        let (fence, added) = (own.next()?, timeline.next()?);
        let imported = s.import_fence(&primary, SyncAccess::Write, "producer's fence", &fence);
        s.succeeds("the producer imports a fence", imported)?;
        let imported = s.import_fence(&alias, SyncAccess::Read, "reader's fence", &added);
        s.note(format!("the reader imports a fence: {}", outcome_name(&imported)));
        let file = export_sync_file(primary.as_fd(), SyncAccess::Write).or_broken("exporting fences")?;
        if fails {
            drop(timeline);
        } else {
            timeline.advance()?;
        }
        own.advance()?;
        let status = sync_file::info(file.as_fd()).or_broken("file_info")?.status;
        if fails {
            s.hazard("the reader's fence failed: the producer's sync_file ends with an error", status < 0);
        } else {
            s.about("SF-2").equal("both fences signalled: status of the producer's sync_file", status, 1);
        }
    }
    Ok(())
}
