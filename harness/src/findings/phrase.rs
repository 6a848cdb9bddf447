//! A violated clause in a few words.

/// What is wrong when a clause is violated, in terms of the ioctl and its descriptors.
pub(super) fn phrase(clause: &str) -> &'static str {
    PHRASES.iter().find(|(id, _)| *id == clause).map_or("A clause is violated", |(_, phrase)| phrase)
}

const PHRASES: &[(&str, &str)] = &[
    ("UAPI-1", "The layout of the request is not that of the header"),
    ("UAPI-2", "DERIVE accepts or refuses the wrong flags"),
    ("UAPI-3", "A bad argument is not refused cleanly"),
    ("UAPI-4", "DERIVE writes the wrong result into its argument"),
    ("UAPI-5", "The flags of a derived descriptor are wrong"),
    ("UAPI-6", "A full descriptor table or file limit is not handled cleanly"),
    ("UAPI-7", "DERIVE has an effect on a file that is not a dma-buf"),
    ("UAPI-8", "A 32-bit caller gets another result"),
    ("UAPI-9", "The request is accepted with another size or direction"),
    ("R-1", "The access mode of the caller does not bound the alias"),
    ("R-2", "A sequence of steps gains a right"),
    ("R-3", "mmap does not follow the mode of the descriptor"),
    ("R-4", "A mapping of a read-only alias can be made writable"),
    ("R-5", "A write to a private mapping reaches the buffer"),
    ("R-6", "The buffer can be written around a read-only mapping"),
    ("R-7", "A descriptor can be opened again through /proc"),
    ("R-8", "The buffer can be changed by a file operation"),
    ("R-9", "A process without privileges gains a right"),
    ("R-10", "The primary loses a right"),
    ("I-1", "An alias is not the same buffer with a file of its own"),
    ("I-2", "An alias does not show the same memory"),
    ("I-3", "fdinfo differs between descriptors of one buffer"),
    ("I-4", "The name differs between descriptors of one buffer"),
    ("I-5", "An enumerator does not list the buffer exactly once"),
    ("I-6", "Seeking on an alias is wrong"),
    ("I-7", "An alias does not show what the memfd holds"),
    ("F-1", "A fence is not seen through every descriptor"),
    ("F-2", "poll on a descriptor does not follow the fences"),
    ("F-3", "Descriptors disagree about a timeline"),
    ("F-4", "The error of a fence differs between descriptors"),
    ("F-5", "Closing with a poll pending goes wrong"),
    ("F-6", "Importers and descriptors do not see each other's fences"),
    ("F-7", "A sync_file does not outlive the descriptors"),
    ("F-8", "Writing through a read-only alias changes"),
    ("L-1", "The exporter's release does not run exactly once, at the end"),
    ("L-2", "The buffer does not leave the global list exactly once, at the end"),
    ("L-3", "Importing does not leave the reference counts as they were"),
    ("L-4", "An alias does not work after the primary is closed"),
    ("L-5", "A mapping does not outlive the descriptors"),
    ("L-6", "Killing a process that holds aliases goes wrong"),
    ("L-7", "An alias in flight on a socket goes wrong"),
    ("L-8", "A failed allocation is not handled cleanly"),
    ("L-9", "Many aliases do not work, or cost more and more"),
    ("L-10", "A race on two processors goes wrong"),
    ("EXP-1", "A heap accepts a wrong allocation, or leaves something open"),
    ("EXP-2", "A new heap buffer shows old contents"),
    ("EXP-3", "udmabuf accepts or refuses the wrong memory"),
    ("EXP-4", "A udmabuf does not hold its memfd, or holds it too long"),
    ("EXP-5", "A mapping shows the wrong page"),
    ("EXP-6", "A mapping shows memory beyond the end of the buffer"),
    ("EXP-7", "An exporter does not fail cleanly"),
    ("IMP-1", "PRIME confuses handles and buffers"),
    ("IMP-2", "PRIME does not export as asked, or does not refuse a wrong call cleanly"),
    ("IMP-3", "A buffer of a DRM driver is mapped wrongly"),
    ("IMP-4", "A V4L2 queue confuses its buffers, or holds them too long"),
    ("IMP-5", "A V4L2 queue does not refuse a wrong buffer cleanly"),
    ("IMP-6", "An importer does not fail cleanly"),
    ("ENUM-1", "The list of buffers is not complete"),
    ("H-1", "A device captures into a read-only alias"),
    ("H-2", "An import is exported again with another mode"),
    ("H-3", "An importer maps a read-only alias for writing by a device"),
    ("H-4", "An importer maps a read-only alias writable"),
    ("H-5", "The holder of a read-only alias can stall the writer"),
    ("WAIT-1", "poll does not follow the pending fences"),
    ("WAIT-2", "SYNC does not wait for the right fences"),
    ("WAIT-3", "A process that waits in SYNC cannot be interrupted"),
    ("WAIT-4", "SYNC accepts or refuses the wrong flags"),
    ("SET-1", "An import removes a fence that is still needed"),
    ("SET-2", "A merged sync_file is not imported fence by fence"),
    ("SET-3", "Fences that have signalled are waited for or kept"),
    ("SET-4", "An exported sync_file contains the wrong fences"),
    ("SET-5", "A wrong argument about a sync_file is not refused cleanly"),
    ("SET-9", "After some sequence of calls, the fences are not those that were added"),
    ("SF-1", "The information about a sync_file is wrong"),
    ("SF-2", "A merged sync_file is wrong"),
    ("SF-3", "A deadline is lost or leaves a fence"),
    ("SF-4", "A timeline signals the wrong fences"),
    ("SF-5", "A sync_file, fence or timeline is left behind"),
    ("PROC-1", "The name of a buffer is set or shown wrongly"),
    ("PROC-2", "The memory of a name is lost"),
    ("PROC-3", "An O_PATH descriptor of a buffer goes wrong"),
    ("PROC-4", "bufinfo shows the wrong fences"),
    ("B-1", "A kernel without the ioctl does not answer ENOTTY"),
    ("B-2", "Something that needs no DERIVE is violated"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_has_a_phrase() {
        let without = cases::clause::CLAUSES.iter().filter(|clause| !PHRASES.iter().any(|(id, _)| *id == clause.id));
        assert_eq!(without.map(|clause| clause.id).collect::<Vec<_>>(), [""; 0]);
    }
}
