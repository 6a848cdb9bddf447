//! The clauses of the contract. docs/contract.md holds the same text.

/// One clause of the contract.
#[derive(Debug)]
pub struct Clause {
    /// Stable name: `R-1`.
    pub id: &'static str,
    /// What is required.
    pub claim: &'static str,
    /// What goes wrong for users when the clause is violated.
    pub why: &'static str,
}

/// The clause with this name, in upper or lower case.
pub fn find(id: &str) -> Option<&'static Clause> {
    CLAUSES.iter().find(|clause| clause.id.eq_ignore_ascii_case(id))
}

macro_rules! clauses {
    ($($id:literal: $claim:literal because $why:literal)+) => {
        /// Every clause, in the order of the contract.
        pub const CLAUSES: &[Clause] = &[$(Clause { id: $id, claim: $claim, why: $why }),+];
    };
}

clauses! {
    "UAPI-1": "The request number, the size of its structure and the offsets of its fields are those of the proposal and of the patched tree's own header."
        because "A program built against a different layout would pass wrong values and get a descriptor it did not ask for."
    "UAPI-2": "Only O_RDONLY and O_RDWR, each with or without O_CLOEXEC, are accepted; any other flags give EINVAL and leave nothing behind."
        because "A bit that is ignored today cannot be given a meaning tomorrow."
    "UAPI-3": "An argument that cannot be read, or can be read but not written, gives EFAULT, leaks no descriptor, file or reference, and shows no descriptor to other threads, not even for a moment."
        because "A descriptor that was installed but never reported is a leak that no program can close."
    "UAPI-4": "On success the return value is 0, `flags` is unchanged and `fd` is the lowest free number; on failure the structure is unchanged."
        because "Programs compare and reuse the structure, and dup-style code relies on the lowest number."
    "UAPI-5": "From the first moment FD_CLOEXEC is set exactly when requested, and it takes effect in a real execve; F_GETFL shows the requested access mode and nothing else."
        because "A descriptor that survives an exec gives the buffer to a program that should not have it."
    "UAPI-6": "A full descriptor table gives EMFILE, the system-wide limit gives ENFILE, and nothing leaks."
        because "Error paths that are rarely taken are the ones that leak."
    "UAPI-7": "On any other kind of file the ioctl fails without an effect: with ENOTTY if that driver returns ENOTTY for unknown requests, as almost all do; on a closed or O_PATH descriptor with EBADF."
        because "A probe for the feature must not have side effects on other drivers."
    "UAPI-8": "A 32-bit caller gets the same results."
        because "Half of the Android user space in the field is 32-bit."
    "UAPI-9": "The same number with a different size or direction gives ENOTTY."
        because "Otherwise an extended structure of a later version would be misread in part."
    "R-1": "The access mode of the calling descriptor limits the alias: a readable descriptor can derive read-only, a read-write one also read-write, and everything else gives EACCES."
        because "This is the purpose of the ioctl: an alias never has more rights than its source."
    "R-2": "No sequence of deriving, duplicating, sending or stealing descriptors reaches a right that the first one lacked."
        because "A sandbox is only as strong as every path around it."
    "R-3": "mmap grants a mapping no more than the descriptor's mode: no shared writable mapping through a read-only alias, no mapping at all without read access. A readable descriptor can be mapped shared for reading, a read-write one also for writing."
        because "mmap is how the CPU writes to a dma-buf."
    "R-4": "mprotect, mremap and remap_file_pages never add write access to a mapping of a read-only alias."
        because "A mapping that can be made writable is a writable mapping."
    "R-5": "Where a private writable mapping is allowed, writes through it never reach the buffer."
        because "Copy-on-write that writes to the buffer is in fact a shared mapping."
    "R-6": "/proc/self/mem, process_vm_writev and ptrace cannot write the buffer through a read-only mapping."
        because "These are the known ways around page protections."
    "R-7": "Reopening a dma-buf through /proc/self/fd/N fails with ENXIO."
        because "A reopen could choose any access mode."
    "R-8": "write, pwrite, splice, ftruncate and fallocate fail and leave size and contents unchanged."
        because "A dma-buf has no file contents to write, and its size never changes."
    "R-9": "All of this also holds in an unprivileged process that received the alias over a UNIX socket."
        because "This is the intended use: the process that holds the alias is not trusted."
    "R-10": "The primary keeps its rights and its mappings, no matter which aliases are derived and closed."
        because "Giving away a restricted descriptor must not affect the producer."
    "I-1": "All descriptors of a buffer have the same st_dev, st_ino and size, and each is an open file description of its own."
        because "User space, such as Mesa and Android's memory accounting, identifies a buffer by its inode."
    "I-2": "All descriptors show the same memory, every page of it, in both directions, inside CPU access brackets."
        because "An alias is a view of the buffer, not a copy."
    "I-3": "fdinfo gives the same size, exporter, name and reference count through every descriptor, on the lines size, count, exp_name and name in this order; other lines may follow."
        because "Accounting tools read fdinfo through whichever descriptor they find first."
    "I-4": "A name set through one descriptor is visible through all."
        because "There is one buffer, and so one name."
    "I-5": "Every list of buffers in the kernel has a buffer exactly once, no matter how many aliases it has."
        because "Memory accounting that counts a buffer once per alias, or not at all, can be wrong by gigabytes."
    "I-6": "lseek returns the size for SEEK_END, 0 for SEEK_SET, and EINVAL for everything else."
        because "It is the only portable way to learn the size of a dma-buf."
    "I-7": "On udmabuf an alias shows the contents of the memfds, also at every offset of a list."
        because "Virtual machines share guest memory this way."
    "F-1": "A fence that is imported through one descriptor is exported, as the same fence, through each of the others."
        because "If two descriptors had different fences, frames would be used before they are complete."
    "F-2": "poll and epoll agree on every descriptor: a pending write fence delays POLLIN and POLLOUT, a pending read fence only POLLOUT, and signalling wakes all waiters."
        because "Compositors call poll on whichever descriptor they hold."
    "F-3": "When the fences of a timeline signal one after the other, all descriptors agree after every step."
        because "A descriptor that becomes ready too late delays a frame; one that becomes ready too early shows an incomplete frame."
    "F-4": "A fence's error is the same through every descriptor."
        because "A consumer must learn that the producer failed."
    "F-5": "A buffer whose descriptors are closed while a poll is pending stays alive until the callback has run, and is released afterwards."
        because "The callback runs in interrupt context and writes to the buffer's wait queue."
    "F-6": "A fence that an importer adds through an alias is visible through all descriptors."
        because "Implicit synchronisation must not depend on which descriptor was imported."
    "F-7": "An exported sync_file outlives every descriptor."
        because "With explicit synchronisation, fences are used long after the buffers are closed."
    "F-8": "The result of SYNC and IMPORT_SYNC_FILE for writing on a read-only alias is recorded."
        because "There is no rule yet, but a change would break existing users."
    "L-1": "The exporter's release is called exactly once, after the last descriptor, mapping, attachment, message or callback is gone, in every closing order."
        because "Too early is a use after free; never is a leak of some of the largest objects in the system."
    "L-2": "The buffer is removed from the global list exactly once, when its last file is released and not before."
        because "If removed early it is missing from accounting; if removed twice it corrupts the list."
    "L-3": "Importing through any descriptor and releasing the import leaves every reference count unchanged."
        because "Importers put the file that the dma_buf structure points to, not the file they were given; a simple patch gets this wrong."
    "L-4": "An alias works fully after the primary is closed."
        because "The producer is free to exit first."
    "L-5": "A mapping works after every descriptor is closed."
        because "Closing after mmap is common practice."
    "L-6": "SIGKILL of processes that hold aliases leaks nothing."
        because "Consumers can crash."
    "L-7": "Aliases in messages on sockets are released, also in cycles that only the UNIX garbage collector frees."
        because "Wayland and Android send buffers in messages."
    "L-8": "When any allocation inside DERIVE, an export or another call on a buffer, a sync_file or a timeline fails, the caller gets ENOMEM, ENFILE, EMFILE, EAGAIN or success, reference counts are unchanged and the kernel logs nothing."
        because "Error paths are where references are lost."
    "L-9": "Ten thousand aliases of one buffer work, at a constant cost per alias, and their memory is freed."
        because "A quadratic list is a denial of service."
    "L-10": "Races of derive, close, enumerate, import and poll on two processors cause no sanitizer report."
        because "File tables are read without locks, so the order of steps matters."
    "H-1": "A device can capture into a read-only alias and change its contents."
        because "Importers do not check the descriptor's access mode: O_RDONLY limits the CPU, not devices."
    "H-2": "A read-only alias that is imported and exported again comes back as a descriptor with the primary's access mode."
        because "Re-export returns the buffer's primary file, so an import bypasses the restriction of the alias."
    "H-3": "An importer can attach through a read-only alias and map it for DMA_FROM_DEVICE or DMA_BIDIRECTIONAL."
        because "The importer chooses the direction; nothing compares it with the descriptor's access mode."
    "H-4": "An importer's kernel mapping of a read-only alias is writable."
        because "vmap has no read-only variant."
    "H-5": "The holder of a read-only alias can stall the writer with a fence that never signals."
        because "Adding a fence does not need write access."
    "WAIT-1": "poll and epoll report POLLIN exactly while no write fence is pending, and POLLOUT exactly while no fence is pending, in every mode, after every signal, and whoever polled before."
        because "Compositors draw and show frames by it: too early shows an incomplete frame, too late loses one."
    "WAIT-2": "SYNC with START waits until the fences of others have signalled, for READ the write fences, for WRITE all, and for no other fence; with END it never waits."
        because "A processor that reads while a device still writes sees half a frame."
    "WAIT-3": "A SYNC that waits is interrupted by a signal, with EINTR or by a restart as the handler asks for, and SIGKILL ends the process."
        because "A fence may never signal; whoever waits for it has to stay killable."
    "WAIT-4": "SYNC accepts START and END, each with READ, WRITE or both, and answers EINVAL to all other flags."
        because "A bit that is ignored today cannot be given a meaning tomorrow."
    "SET-1": "An import removes no fence that is later than its own or that more users have to wait for: a buffer waits until the last imported fence of a timeline has signalled."
        because "If an earlier fence replaced a later one, the buffer would be used while the device still works on it (CVE-2022-49935)."
    "SET-2": "The fences of a merged sync_file are imported one by one; exports show each of them, and no container."
        because "Containers in containers are walked by recursion, and a buffer that holds one makes the kernel warn."
    "SET-3": "A fence that has signalled, with or without an error, makes nobody wait when it is imported, and a buffer does not collect such fences."
        because "A buffer is used for hours and takes several fences for every frame."
    "SET-4": "An exported sync_file contains the fences that are pending at that moment, for READ the write fences, for WRITE all; without any it is signalled."
        because "With a missing fence two devices use the buffer at the same time."
    "SET-5": "EXPORT_SYNC_FILE and IMPORT_SYNC_FILE answer wrong flags and what is not a sync_file with EINVAL, bad pointers with EFAULT, a full descriptor table with EMFILE, and leave nothing behind."
        because "A descriptor that was installed but never reported is a leak that no program can close."
    "SET-9": "After any sequence of imports, exports, merges, signals, polls and CPU accesses, every descriptor shows the fences that a reservation object has to hold."
        because "A fence that is lost or kept shows only after some sequences: frames are then used before they are complete, or never."
    "SF-1": "SYNC_IOC_FILE_INFO gives the number of fences, and for each fence its names, status and time stamp as far as the caller has room; too little room, flags and pad give EINVAL."
        because "Profilers and compositors read from it when a frame was ready."
    "SF-2": "SYNC_IOC_MERGE makes a sync_file that waits for all fences of both, and shows it as signalled once they have signalled, whoever asked for it and whoever did not; wrong arguments are refused and leave nothing."
        because "A merge that is never shown as signalled stalls a pipeline for ever."
    "SF-3": "A deadline that is set through a sync_file reaches each of its fences, the earliest counts, and wrong arguments are refused and leave no fence."
        because "A driver clocks up for the deadline that it is told."
    "SF-4": "A fence of sw_sync signals when its timeline reaches its value, not before, and with ENOENT when the timeline is closed."
        because "Every test of fences, in this suite and elsewhere, stands on it."
    "SF-5": "Whatever call fails and wherever the last reference is dropped, also in an interrupt, a closed fence, sync_file or timeline leaves nothing behind."
        because "Error paths that are rarely taken are the ones that leak (CVE-2024-38780 was a deadlock there)."
    "PROC-1": "SET_NAME takes names of up to 31 letters and shows them in fdinfo, /proc/self/maps and bufinfo; longer names give EINVAL, unreadable ones EFAULT, and the old name stays."
        because "Memory accounting attributes gigabytes by this name."
    "PROC-2": "The memory of a name is freed when another name replaces it and when the buffer is released."
        because "A process that names every frame would use up the memory of the machine."
    "PROC-3": "An O_PATH descriptor shows the buffer's name and inode as long as it is open, also after every other descriptor is closed, and gives no other access to the buffer."
        because "Whoever looks through /proc/PID/fd holds such a reference for a moment; the kernel once used freed memory then."
    "PROC-4": "bufinfo shows the pending fences of each buffer."
        because "It is the first thing to read when a compositor hangs."
    "B-1": "Without the patch the ioctl returns ENOTTY and has no effect."
        because "Programs detect the feature by calling it."
    "B-2": "Every clause that does not need DERIVE is also judged on the unpatched kernel."
        because "Only then can a report show what the patch changes."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clause_names_are_unique() {
        for (index, clause) in CLAUSES.iter().enumerate() {
            assert!(!CLAUSES[..index].iter().any(|other| other.id == clause.id), "duplicate {}", clause.id);
        }
    }
}
