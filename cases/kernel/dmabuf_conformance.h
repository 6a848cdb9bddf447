/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctl ABI of /dev/dmabuf-conformance, a test importer for dma-buf.
 *
 * Every open file is a separate context. Tokens, handles and fence ids are
 * small numbers above zero that are valid in their context only. Closing the
 * context signals its fences (-ECANCELED), undoes every step of every handle,
 * and drops its tokens.
 *
 * All structs have the same layout for 32-bit and 64-bit callers. Reserved
 * members must be zero.
 *
 * Errors common to all requests:
 *   ENOTTY  unknown request
 *   EFAULT  argument unreadable or unwritable; nothing was done
 *   EINVAL  unknown flag or enumerator, reserved member not zero
 *   ENOENT  no such token, handle or fence in this context
 *   ESTALE  the handle's buffer is tracked and was already released, although
 *           the handle holds a reference: a bug in the kernel under test
 *   EINTR   a signal arrived while another thread used the same handle
 *   ENOMEM  out of memory; nothing was done
 */
#ifndef DMABUF_CONFORMANCE_H
#define DMABUF_CONFORMANCE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DBC_ABI_VERSION		3
#define DBC_DEVICE_NAME		"dmabuf-conformance"

/* Names of the device's fences in SYNC_IOC_FILE_INFO and bufinfo. */
#define DBC_FENCE_DRIVER	"dmabuf-conformance"
#define DBC_FENCE_TIMELINE	"importer"

/* Special values of a count. */
#define DBC_UNKNOWN	0xffffffffU	/* not known on this kernel, or no longer known */
#define DBC_CORRUPT	0xfffffffeU	/* the list or object to count is corrupt */
#define DBC_BUSY	0xfffffffdU	/* its lock was held for several seconds */

/* Bits of &struct dbc_info.features. */
#define DBC_FEATURE_DERIVE	(1U << 0) /* header defines DMA_BUF_IOCTL_DERIVE */
#define DBC_FEATURE_STRUCT	(1U << 1) /* ... and struct dma_buf_derive {flags, fd} */
#define DBC_FEATURE_LIST	(1U << 2) /* the global buffer list was found */
#define DBC_FEATURE_LIST_LOCK	(1U << 4) /* ... and its mutex */
#define DBC_FEATURE_STALL	(1U << 3) /* threads can be stopped, see &struct dbc_stall */

/**
 * struct dbc_info - facts about the kernel that was built
 * @abi: %DBC_ABI_VERSION
 * @linux_version: LINUX_VERSION_CODE
 * @features: DBC_FEATURE_*
 * @derive_cmd: value of DMA_BUF_IOCTL_DERIVE in the tree's own header, or 0
 * @derive_size: size of its argument in bytes, or %DBC_UNKNOWN
 * @flags_offset: offset of the member ``flags`` in bytes, or %DBC_UNKNOWN
 * @flags_size: size of ``flags`` in bytes, or %DBC_UNKNOWN
 * @fd_offset: offset of the member ``fd`` in bytes, or %DBC_UNKNOWN
 * @fd_size: size of ``fd`` in bytes, or %DBC_UNKNOWN
 * @reserved: 0
 */
struct dbc_info {
	__u32 abi;
	__u32 linux_version;
	__u32 features;
	__u32 derive_cmd;
	__u32 derive_size;
	__u32 flags_offset;
	__u32 flags_size;
	__u32 fd_offset;
	__u32 fd_size;
	__u32 reserved;
};

/**
 * struct dbc_track - start to observe a buffer
 * @fd: in: the descriptor the exporter returned
 * @list: in: 1 to count the buffer on the global list too, which walks the list;
 *        else these counts are %DBC_UNKNOWN
 * @token: out: identifies the buffer in later requests
 *
 * To be called with the exported descriptor before any alias exists: the
 * device finds the buffer by one dma_buf_get()/dma_buf_put() pair. It keeps no
 * reference. A buffer that is already tracked, by any context, gets another
 * token for the same tracker.
 *
 * Drivers that recognise their own buffers by the address of their callbacks
 * (PRIME self-import) treat a tracked buffer as a foreign one.
 *
 * Errors: EBADF no such descriptor; EINVAL not a dma-buf.
 */
struct dbc_track {
	__s32 fd;
	__u32 list;
	__u32 token;
};

/**
 * struct dbc_tracked - what is known about a tracked buffer
 * @token: in
 * @alive: out: 1 until the exporter's release callback is called, then 0
 * @releases: out: how often release was called (only the first call is passed on)
 * @on_list: out: how often the buffer is on the global list now
 * @on_list_at_release: out: the same at the moment of the first release call
 * @primary_refs: out: reference count of the buffer's first file; %DBC_CORRUPT
 *                if that file was freed and its memory reused
 * @primary_refs_at_release: out: the same when release was called (usually 0)
 * @attachments: out: importers attached
 * @vmaps: out: kernel mappings, all importers together
 * @maps: out: mappings for devices that the exporter made since the buffer is
 *        tracked, and that were not undone
 * @fences: out: fences in the reservation object, some of them maybe signalled
 * @fences_pending: out: those of them that are not signalled
 * @writes_pending: out: those of them that block readers too
 *
 * Counts may be %DBC_UNKNOWN, %DBC_CORRUPT or %DBC_BUSY. @primary_refs and all
 * from @attachments on are %DBC_UNKNOWN once the buffer is not alive, and the
 * values "at release" are %DBC_UNKNOWN until then.
 */
struct dbc_tracked {
	__u32 token;
	__u32 alive;
	__u32 releases;
	__u32 on_list;
	__u32 on_list_at_release;
	__u32 primary_refs;
	__u32 primary_refs_at_release;
	__u32 attachments;
	__u32 vmaps;
	__u32 maps;
	__u32 fences;
	__u32 fences_pending;
	__u32 writes_pending;
};

/* Bits of &struct dbc_file_facts.mode. */
#define DBC_MODE_READ		(1U << 0) /* FMODE_READ */
#define DBC_MODE_WRITE		(1U << 1) /* FMODE_WRITE */

/* Bits of &struct dbc_file_facts.relation. */
#define DBC_FILE_PRIMARY	(1U << 0) /* the buffer's first file itself */
#define DBC_FILE_SAME_BUFFER	(1U << 1) /* same inode as the first file */
#define DBC_FILE_SAME_PRIVATE	(1U << 2) /* same private_data as the first file */
#define DBC_FILE_SAME_FOPS	(1U << 3) /* same file operations as the first file */
#define DBC_FILE_SAME_MAPPING	(1U << 4) /* same f_mapping as the first file */
#define DBC_FILE_OWN_MAPPING	(1U << 5) /* f_mapping is that of its inode */

/**
 * struct dbc_file_facts - what is known about a descriptor's file
 * @token: in: buffer to compare with, or 0 for none
 * @fd: in: any descriptor
 * @refs: out: the file's reference count without the reference taken here
 * @mode: out: DBC_MODE_*
 * @flags: out: f_flags as the kernel holds them
 * @relation: out: DBC_FILE_*; 0 without a token
 *
 * The file is read and put again; the dma-buf API is not used.
 *
 * Errors: EBADF no such descriptor, or O_PATH.
 */
struct dbc_file_facts {
	__u32 token;
	__s32 fd;
	__u32 refs;
	__u32 mode;
	__u32 flags;
	__u32 relation;
};

/**
 * struct dbc_totals - counts over all contexts, to find leaks
 * @listed: buffers on the global list, or a special value
 * @contexts: open files of the device, the caller's included
 * @trackers: trackers not freed yet
 * @tracked_alive: of these, how many belong to a buffer not released yet
 * @handles: importer handles not put yet
 * @fences: fences of this device not freed yet, whoever holds them
 * @attachments: attachments of all listed buffers together
 * @attachments_lost: attachments that tracked buffers still had when their
 *                    release was called, since boot
 * @pinned: pages that are pinned and not released (by udmabuf)
 * @other_pages: pages in use other than slab, page cache, anonymous memory,
 *               page table, vmalloc, kernel stack or per-CPU memory: what drivers
 *               such as the system heap took from the page allocator
 * @slab_pages: pages of all slab caches; files are allocated from slab
 * @pages_kept: pages that the system heap did not free when its tracked
 *              buffers were released, since boot
 * @files: open files of the whole system, or %DBC_UNKNOWN
 *
 * @attachments may be %DBC_UNKNOWN, %DBC_CORRUPT or %DBC_BUSY. @other_pages is
 * exact only while nothing else runs, and includes what the kernel allocates
 * for itself (stack depot, shadow of vmalloc), which grows occasionally.
 */
struct dbc_totals {
	__u32 listed;
	__u32 contexts;
	__u32 trackers;
	__u32 tracked_alive;
	__u32 handles;
	__u32 fences;
	__u32 attachments;
	__u32 attachments_lost;
	__u32 pinned;
	__u32 other_pages;
	__u32 slab_pages;
	__u32 pages_kept;
	__u32 files;
};

/**
 * struct dbc_import - take a reference on a buffer, as an importer does
 * @fd: in: descriptor for dma_buf_get()
 * @handle: out
 *
 * Errors: what dma_buf_get() returns: EBADF, EINVAL. Where a series lets
 * importers in that only read, a read-only alias can be imported, and what would
 * write to it fails: DBC_MAP for another direction than DBC_TO_DEVICE, DBC_VMAP
 * and DBC_EXPORT with EACCES.
 */
struct dbc_import {
	__s32 fd;
	__u32 handle;
};

/* Values of the member "direction"; those of enum dma_data_direction. */
#define DBC_BIDIRECTIONAL	0
#define DBC_TO_DEVICE		1
#define DBC_FROM_DEVICE		2

/**
 * struct dbc_map - map an attached buffer for the device
 * @handle: in
 * @direction: in: DBC_BIDIRECTIONAL, DBC_TO_DEVICE or DBC_FROM_DEVICE
 * @bytes: out: sum of the lengths of all segments
 * @segments: out: DMA segments
 * @reserved: 0
 *
 * Errors: EINVAL not attached; EBUSY mapped already; the exporter's errors.
 */
struct dbc_map {
	__u32 handle;
	__u32 direction;
	__u64 bytes;
	__u32 segments;
	__u32 reserved;
};

/**
 * struct dbc_cpu - begin or end CPU access
 * @handle: in
 * @direction: in: as in &struct dbc_map
 *
 * Begin waits for the buffer's fences, interruptibly. Other requests on the
 * same handle wait for it; DBC_SIGNAL does not.
 *
 * Errors: EBUSY begun already; EINVAL not begun, or another direction.
 */
struct dbc_cpu {
	__u32 handle;
	__u32 direction;
};

/**
 * struct dbc_rw - copy through the kernel mapping
 * @handle: in
 * @reserved: 0
 * @offset: in: bytes from the start of the buffer
 * @len: in: bytes; offset + len must not pass the end of the buffer
 * @data: in: user address to copy to (DBC_VREAD) or from (DBC_VWRITE)
 *
 * Errors: EINVAL not vmapped, or out of range; EFAULT for @data, in which case
 * whole pages before the fault may have been copied.
 */
struct dbc_rw {
	__u32 handle;
	__u32 reserved;
	__u64 offset;
	__u64 len;
	__u64 data;
};

/* Values of &struct dbc_add_fence.usage. */
#define DBC_USAGE_READ		0
#define DBC_USAGE_WRITE		1

/* Bits of &struct dbc_add_fence.flags. */
#define DBC_FENCE_OWN_TIMELINE	(1U << 0) /* not ordered with any other fence */

/**
 * struct dbc_add_fence - add a fence to the buffer's reservation object
 * @handle: in
 * @usage: in: DBC_USAGE_*
 * @flags: in: 0 or DBC_FENCE_OWN_TIMELINE
 * @fence: out: id for DBC_SIGNAL
 * @context: out: the fence context
 * @seqno: out: number on that context
 *
 * Without a flag all fences of the context are on one timeline, so a later one
 * replaces an earlier one of the same or a weaker usage in a reservation
 * object, and they must be signalled in order.
 */
struct dbc_add_fence {
	__u32 handle;
	__u32 usage;
	__u32 flags;
	__u32 fence;
	__u64 context;
	__u64 seqno;
};

/**
 * struct dbc_signal - signal a fence
 * @fence: in
 * @error: in: 0, or a negative errno that the fence carries from then on
 *
 * The id is invalid afterwards. Errors: ENOENT signalled already, or never made;
 * EBUSY an earlier fence on the same timeline is not signalled.
 */
struct dbc_signal {
	__u32 fence;
	__s32 error;
};

/**
 * struct dbc_export - export the buffer again, as a driver does
 * @handle: in
 * @flags: in: an access mode, which dma_buf_fd() ignores, and O_CLOEXEC
 * @fd: out
 * @reserved: 0
 *
 * Errors: EMFILE.
 */
struct dbc_export {
	__u32 handle;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

/* Values of &struct dbc_list_hold.outcome. */
#define DBC_HOLD_WAITED		0 /* another task waits for the lock */
#define DBC_HOLD_LEFT		1 /* the buffer left the list under the lock */

/**
 * struct dbc_list_hold - hold the lock of the global list for another thread
 * @token: in: a tracked buffer that is on the list once
 * @outcome: out: DBC_HOLD_*
 *
 * Takes the lock, and holds it until another thread waits for it or the buffer
 * is not on the list any more. DBC_LIST_HELD returns once the lock is held.
 *
 * Errors: ESTALE the buffer is not on the list exactly once; EOPNOTSUPP the
 * list was not found; EBUSY the lock was held for several seconds; ETIMEDOUT
 * nothing happened (both requests).
 */
struct dbc_list_hold {
	__u32 token;
	__u32 outcome;
};

/**
 * struct dbc_stall - stop the calling thread in the middle of a later call
 * @fd: in: stop only where this number is an open descriptor, or -1 for
 *      anywhere
 * @skip: in: how many stopping points to pass before the thread stops
 *
 * DBC_STALL_ARM is for the calling thread. It can stop wherever it releases a
 * lock with interrupts enabled. There it spins until another thread calls
 * DBC_STALL_GO, for a few seconds at most. That other thread waits in
 * DBC_STALL_WAIT until the armed thread has stopped or finished. The stopped
 * thread may hold locks and be inside an RCU read-side section; others must not
 * wait for either. Finally the armed thread calls DBC_STALL_END.
 *
 * Only one thread of the system can be armed at a time, and one other thread
 * waits for it.
 *
 * Errors: EOPNOTSUPP no lock tracepoints; EBUSY another thread is armed;
 * ENODATA the thread did not stop (WAIT, END), or is not stopped (GO);
 * ETIMEDOUT it was not resumed (END), or nothing happened (WAIT); EINVAL END by
 * another thread.
 */
struct dbc_stall {
	__s32 fd;
	__u32 skip;
};

#define DBC_IOC_MAGIC	0xDC

#define DBC_INFO	_IOR(DBC_IOC_MAGIC, 0x00, struct dbc_info)
#define DBC_TRACK	_IOWR(DBC_IOC_MAGIC, 0x01, struct dbc_track)
#define DBC_TRACKED	_IOWR(DBC_IOC_MAGIC, 0x02, struct dbc_tracked)
#define DBC_FILE_FACTS	_IOWR(DBC_IOC_MAGIC, 0x03, struct dbc_file_facts)
#define DBC_TOTALS	_IOR(DBC_IOC_MAGIC, 0x04, struct dbc_totals)
/* Returns once deferred file releases and RCU callbacks have run. */
#define DBC_DRAIN	_IO(DBC_IOC_MAGIC, 0x05)
/* The same, and frees what the kernel keeps of unused vmalloc areas. */
#define DBC_PURGE	_IO(DBC_IOC_MAGIC, 0x06)

#define DBC_IMPORT	_IOWR(DBC_IOC_MAGIC, 0x10, struct dbc_import)
/*
 * The requests with a bare handle. EBUSY: the step was done already (attach,
 * vmap) or a later step must be undone first (detach while mapped; put while
 * anything else is left). EINVAL: there is nothing to undo. EOPNOTSUPP: the
 * exporter has no vmap operation. Mapping for the device and for the kernel
 * are independent of each other.
 */
#define DBC_ATTACH	_IOW(DBC_IOC_MAGIC, 0x11, __u32)
#define DBC_DETACH	_IOW(DBC_IOC_MAGIC, 0x12, __u32)
#define DBC_MAP		_IOWR(DBC_IOC_MAGIC, 0x13, struct dbc_map)
#define DBC_UNMAP	_IOW(DBC_IOC_MAGIC, 0x14, __u32)
#define DBC_VMAP	_IOW(DBC_IOC_MAGIC, 0x15, __u32)
#define DBC_VUNMAP	_IOW(DBC_IOC_MAGIC, 0x16, __u32)
#define DBC_VREAD	_IOW(DBC_IOC_MAGIC, 0x17, struct dbc_rw)
#define DBC_VWRITE	_IOW(DBC_IOC_MAGIC, 0x18, struct dbc_rw)
#define DBC_BEGIN_CPU	_IOW(DBC_IOC_MAGIC, 0x19, struct dbc_cpu)
#define DBC_END_CPU	_IOW(DBC_IOC_MAGIC, 0x1a, struct dbc_cpu)
#define DBC_EXPORT	_IOWR(DBC_IOC_MAGIC, 0x1b, struct dbc_export)
#define DBC_PUT		_IOW(DBC_IOC_MAGIC, 0x1c, __u32)

#define DBC_LIST_HOLD	_IOWR(DBC_IOC_MAGIC, 0x30, struct dbc_list_hold)
#define DBC_LIST_HELD	_IO(DBC_IOC_MAGIC, 0x31)
#define DBC_STALL_ARM	_IOW(DBC_IOC_MAGIC, 0x32, struct dbc_stall)
#define DBC_STALL_WAIT	_IO(DBC_IOC_MAGIC, 0x33)
#define DBC_STALL_GO	_IO(DBC_IOC_MAGIC, 0x34)
#define DBC_STALL_END	_IO(DBC_IOC_MAGIC, 0x35)

#define DBC_ADD_FENCE	_IOWR(DBC_IOC_MAGIC, 0x20, struct dbc_add_fence)
#define DBC_SIGNAL	_IOW(DBC_IOC_MAGIC, 0x21, struct dbc_signal)

#endif /* DMABUF_CONFORMANCE_H */
