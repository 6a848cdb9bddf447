//! The contract, clause by clause, in the words of this project. docs/contract.md holds the same text for reading.

/// One clause of the contract.
#[derive(Debug)]
pub struct Clause {
    /// Stable name: `R-1`.
    pub id: &'static str,
    /// What is promised.
    pub claim: &'static str,
    /// What goes wrong for a user when the promise is broken.
    pub why: &'static str,
}

/// The clause with this name, whatever its case.
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
        because "A program built against another layout would pass garbage and get a descriptor it did not ask for."
    "UAPI-2": "Only O_RDONLY and O_RDWR, each with or without O_CLOEXEC, are accepted; anything else is EINVAL and allocates nothing."
        because "A bit that is ignored today cannot be given a meaning tomorrow."
    "UAPI-3": "An argument that cannot be read, or can be read but not written, is EFAULT and leaves no descriptor, file or reference behind."
        because "A descriptor that was installed but never reported is a leak that no program can close."
    "UAPI-4": "On success `flags` is untouched and `fd` is the lowest free number; on failure the structure is untouched."
        because "Programs compare and reuse the structure, and dup-style code relies on the lowest number."
    "UAPI-5": "FD_CLOEXEC is set exactly when asked for, holds across a real execve, and F_GETFL shows the access mode asked for and nothing else."
        because "A descriptor that survives an exec hands the buffer to a program that nobody meant to have it."
    "UAPI-6": "A full descriptor table is EMFILE, the system-wide limit is ENFILE, and nothing is left behind."
        because "Errors under pressure are the ones that leak."
    "UAPI-7": "On any other kind of file the ioctl is refused without an effect: with ENOTTY where that driver answers unknown requests so, as all but a few do; on a closed or O_PATH descriptor with EBADF."
        because "A probe for the feature must not have side effects on other drivers."
    "UAPI-8": "A 32-bit caller gets the same results."
        because "Half of the Android user space in the field is 32-bit."
    "UAPI-9": "The same number with another size or direction is ENOTTY."
        because "Otherwise an extended structure of a later version would be half understood."
    "R-1": "The access mode of the calling descriptor bounds the alias: read-only can be had from any readable one, read-write only from a read-write one, and everything else is EACCES."
        because "This is the whole purpose of the ioctl: rights only ever shrink."
    "R-2": "No sequence of deriving, duplicating, sending or stealing descriptors reaches a right that the first one lacked."
        because "A sandbox is as strong as the longest path around it."
    "R-3": "mmap grants a mapping no more than the descriptor's mode: no shared writable mapping through a read-only alias, no mapping at all without read access."
        because "mmap is how the processor writes into a dma-buf."
    "R-4": "mprotect, mremap and remap_file_pages never add write access to a mapping of a read-only alias."
        because "A mapping that can be upgraded is a writable mapping."
    "R-5": "Where a private writable mapping is allowed, what is written through it never reaches the buffer."
        because "Copy-on-write that writes through is a shared mapping in disguise."
    "R-6": "/proc/self/mem, process_vm_writev and ptrace cannot write the buffer through a read-only mapping."
        because "These are the classic ways around page protections."
    "R-7": "Opening /proc/self/fd/N of a dma-buf again fails with ENXIO."
        because "A reopen would pick its own access mode."
    "R-8": "write, pwrite, splice, ftruncate and fallocate fail and leave size and contents alone."
        because "A dma-buf has no file contents to write, and its size is fixed for life."
    "R-9": "All of it holds in another process without privileges that received the alias over a UNIX socket."
        because "That is the deployment: the holder of the alias is the one that is not trusted."
    "R-10": "The primary keeps its rights and its mappings, whatever aliases are made and closed."
        because "Handing out a lesser descriptor must cost the producer nothing."
    "I-1": "All descriptors of a buffer have the same st_dev, st_ino and size, and are different open file descriptions."
        because "User space recognises a buffer by its inode; Mesa and Android's memory accounting do."
    "I-2": "All descriptors show the same memory, every page of it, in both directions, inside CPU access brackets."
        because "An alias is a view of the buffer, not a copy."
    "I-3": "fdinfo gives the same size, exporter, name and reference count through every descriptor."
        because "Accounting tools read fdinfo through whichever descriptor they meet first."
    "I-4": "A name that is set through one descriptor shows in all."
        because "There is one buffer and so one name."
    "I-5": "Every enumerator the kernel has lists a buffer exactly once, however many aliases it has."
        because "Memory accounting that counts a buffer per alias, or not at all, is wrong by gigabytes."
    "I-6": "lseek gives the size for SEEK_END, 0 for SEEK_SET, and EINVAL for all else."
        because "It is the only portable way to learn the size of a dma-buf."
    "I-7": "On udmabuf an alias shows what the memfds hold, at every offset of a list too."
        because "Virtual machines share guest memory this way."
    "F-1": "A fence that is imported through one descriptor is exported, as the same fence, through each of the others."
        because "Two timelines for one buffer mean tearing and use before completion."
    "F-2": "poll and epoll agree on every descriptor: a pending write fence holds back POLLIN and POLLOUT, a pending read fence POLLOUT only, and a signal wakes all."
        because "Compositors wait by poll on the descriptor that they happen to hold."
    "F-3": "When the fences of a timeline signal one by one, all descriptors agree after every step."
        because "A descriptor that lags behind delays a frame; one that runs ahead shows garbage."
    "F-4": "A fence's error is the same through every descriptor."
        because "A consumer must learn that the producer failed."
    "F-5": "A buffer whose descriptors are closed while a poll is pending lives until the callback has run, and is released after."
        because "The callback runs in interrupt context and writes into the buffer's wait queue."
    "F-6": "A fence that an importer attached through an alias is seen by all."
        because "Implicit synchronisation must not depend on who imported what."
    "F-7": "An exported sync_file outlives every descriptor."
        because "Explicit synchronisation hands fences around long after the buffers."
    "F-8": "What SYNC and IMPORT_SYNC_FILE for writing do on a read-only alias is recorded."
        because "There is no rule yet, and a change here breaks existing users."
    "L-1": "The exporter's release runs exactly once, after the last descriptor, mapping, attachment, message or callback is gone, in every closing order."
        because "Too early is a use after free, never is a leak of the largest objects in the system."
    "L-2": "The buffer leaves the global list exactly once, when its last file dies and not before."
        because "Removed early it hides from accounting; removed twice it corrupts the list."
    "L-3": "Importing through any descriptor and releasing again leaves every reference count as it was."
        because "Importers put the file that the buffer names, not the one that they were given: the mistake a naive patch makes."
    "L-4": "An alias works in full after the primary is closed."
        because "The producer is free to exit first."
    "L-5": "A mapping works after every descriptor is closed."
        because "Closing after mmap is the normal idiom."
    "L-6": "SIGKILL of processes that hold aliases leaves nothing behind."
        because "Consumers crash."
    "L-7": "Aliases in flight on sockets, also in cycles that only the UNIX garbage collector frees, are released."
        because "Wayland and Android move buffers in messages."
    "L-8": "When an allocation fails anywhere inside DERIVE or export, the caller gets a clean errno, counts are unchanged and the kernel log is silent."
        because "Error paths are where references go missing."
    "L-9": "Ten thousand aliases of one buffer work, at a cost per alias that does not grow, and their memory comes back."
        because "A quadratic list is a denial of service."
    "L-10": "Races of derive, close, enumerate, import and poll on two processors leave the sanitizers silent."
        because "The file table is lock-free; so must be the reasoning about it."
    "H-1": "A device captures into a read-only alias and its bytes change."
        because "An importer never asks for the descriptor's mode: O_RDONLY binds the processor, not devices."
    "H-2": "A read-only alias that is imported and exported again comes back as a descriptor with the buffer's own mode."
        because "Re-export hands out the buffer's primary file, so importing is a way around the alias."
    "H-3": "An importer attaches through a read-only alias and maps it for DMA_FROM_DEVICE or DMA_BIDIRECTIONAL."
        because "The mapping direction is the importer's word; nothing compares it with the descriptor."
    "H-4": "An importer's kernel mapping of a read-only alias is writable."
        because "vmap has no read-only form."
    "H-5": "The holder of a read-only alias can stall the writer with a fence that never signals."
        because "Adding a fence needs no write access."
    "B-1": "Without the patch the ioctl is ENOTTY and nothing else changes."
        because "Programs probe for the feature by calling it."
    "B-2": "Every clause that needs no DERIVE is judged on the unpatched kernel as well."
        because "Only then can a report say what the patch changes."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clause_names_are_unique() {
        for (index, clause) in CLAUSES.iter().enumerate() {
            assert!(!CLAUSES[..index].iter().any(|other| other.id == clause.id), "{} is there twice", clause.id);
        }
    }
}
