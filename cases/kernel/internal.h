/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal declarations of the test importer. */
#ifndef DBC_INTERNAL_H
#define DBC_INTERNAL_H

#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/iosys-map.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "dmabuf_conformance.h"

/*
 * Lock order: handle->lock, then the buffer's reservation lock, then
 * context->fence_lock. Code that observes a buffer only uses trylock on the
 * reservation lock and the list mutex: the kernel under test may call a
 * buffer's release with either of them held.
 */

/**
 * struct dbc_context - one open file of the device
 * @handles: handles by id
 * @trackers: references to trackers by token
 * @fences: fences not signalled yet by id; ids and seqnos increase together
 * @fence_lock: keeps creating and signalling fences in order
 * @timeline: fence context shared by the fences made here
 * @seqno: last number used on @timeline
 * @next_fence: where the search for the next fence id starts
 * @stalls: this context has armed a stall, so it holds the tracepoint
 */
struct dbc_context {
	struct xarray handles;
	struct xarray trackers;
	struct xarray fences;
	struct mutex fence_lock;
	u64 timeline;
	u64 seqno;
	u32 next_fence;
	bool stalls;
};

/**
 * struct dbc_tracker - observes one buffer and outlives it
 * @refs: one for the buffer until it is released, one per token and handle
 * @lock: guards @pins and @releases
 * @pins: how many users need @dmabuf to stay valid; release waits for them
 * @releases: calls of the release callback
 * @idle: woken when the last pin goes
 * @dmabuf: may be dereferenced only while pinned
 * @file: first file of the buffer; compared, never dereferenced
 * @sb: with @ino identifies the buffer even after addresses are reused
 * @ino: inode number of the first file
 * @fops: file operations of the first file
 * @private_data: that of the first file
 * @mapping: f_mapping of the first file; compared, never dereferenced
 * @original: the exporter's callbacks
 * @ops: their copy, with a release callback of our own
 * @list: whether it is to be counted on the global list
 * @on_list_at_release: see &struct dbc_tracked
 * @primary_refs_at_release: see &struct dbc_tracked
 */
struct dbc_tracker {
	struct kref refs;
	spinlock_t lock;
	unsigned int pins;
	u32 releases;
	wait_queue_head_t idle;
	struct dma_buf *dmabuf;
	struct file *file;
	struct super_block *sb;
	u64 ino;
	const struct file_operations *fops;
	void *private_data;
	struct address_space *mapping;
	const struct dma_buf_ops *original;
	struct dma_buf_ops ops;
	atomic_t maps;
	bool list;
	u32 on_list_at_release;
	u32 primary_refs_at_release;
};

/**
 * struct dbc_handle - one importer of one buffer
 * @refs: one for the table, one per running request
 * @lock: serializes requests; guards everything below
 * @dead: already put; a request may have looked it up just before
 * @dmabuf: the buffer, with the reference of dma_buf_get()
 * @read_only: the buffer must only be read, see dbc_get_access()
 * @tracker: its tracker if it was tracked when it was imported, or NULL
 * @attach: attachment, or NULL
 * @sgt: mapping of @attach, or NULL
 * @direction: direction of @sgt
 * @vmap: kernel mapping
 * @vmapped: @vmap is valid
 * @cpu_direction: direction of CPU access
 * @cpu_access: CPU access was begun and not ended
 */
struct dbc_handle {
	struct kref refs;
	struct mutex lock;
	bool dead;
	struct dma_buf *dmabuf;
	bool read_only;
	struct dbc_tracker *tracker;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	enum dma_data_direction direction;
	struct iosys_map vmap;
	bool vmapped;
	enum dma_data_direction cpu_direction;
	bool cpu_access;
};

extern struct device *dbc_device;
extern atomic_t dbc_trackers;
extern atomic_t dbc_tracked_alive;
extern atomic_t dbc_attachments_lost;
extern atomic_t dbc_pages_kept;
extern atomic_t dbc_handles;
extern atomic_t dbc_fences;

/*
 * Reads memory that the kernel under test may have freed by mistake. A missing
 * page or KASAN does not stop it. True if @dst was filled.
 */
#define dbc_peek(dst, member_address) \
	(!copy_from_kernel_nofault(&(dst), (member_address), sizeof(dst)))

/* Since 6.2 the plain functions expect the caller to hold the reservation lock. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define dma_buf_map_attachment_unlocked		dma_buf_map_attachment
#define dma_buf_unmap_attachment_unlocked	dma_buf_unmap_attachment
#define dma_buf_vmap_unlocked			dma_buf_vmap
#define dma_buf_vunmap_unlocked			dma_buf_vunmap
#endif

/*
 * Some series let importers in that only read. If the tree has their interface,
 * see the Makefile, the importers here use it: what they must only read they do
 * not map into the kernel for writing, and do not hand out again.
 */
static inline struct dma_buf *dbc_get_access(int fd, bool *read_only)
{
#ifdef DBC_HAVE_ACCESS
	return dma_buf_get_access(fd, read_only);
#else
	*read_only = false;
	return dma_buf_get(fd);
#endif
}

static inline struct dma_buf_attachment *
dbc_attach_access(struct dma_buf *dmabuf, struct device *dev, bool read_only)
{
#ifdef DBC_HAVE_ACCESS
	return dma_buf_attach_access(dmabuf, dev, read_only);
#else
	return dma_buf_attach(dmabuf, dev);
#endif
}

/* How long to wait for a lock before it counts as stuck, in jiffies. */
#define DBC_LOCK_TIMEOUT	(5 * HZ)

void dbc_files_init(void);
u32 dbc_open_files(void);
u32 dbc_peek_file_refs(struct file *file);

void dbc_list_init(void);
bool dbc_list_found(void);
bool dbc_list_lock_found(void);
u32 dbc_list_length(void);
u32 dbc_list_count(struct dbc_tracker *tracker, bool alive);
u32 dbc_list_attachments(void);
u32 dbc_count_attachments(struct dma_buf *dmabuf);

struct dbc_held_pages;

struct dbc_held_pages *dbc_hold_pages(struct dma_buf *dmabuf, const struct dma_buf_ops *ops);
u32 dbc_let_pages_go(struct dbc_held_pages *held);
u32 dbc_pinned_pages(void);
u32 dbc_other_pages(void);
u32 dbc_slab_pages(void);

u32 dbc_primary_refs(struct dbc_tracker *tracker);
struct dbc_tracker *dbc_tracker_of(struct dma_buf *dmabuf);
bool dbc_tracker_pin(struct dbc_tracker *tracker);
void dbc_tracker_unpin(struct dbc_tracker *tracker);
void dbc_tracker_put(struct dbc_tracker *tracker);
void dbc_forget_tokens(struct dbc_context *context);

struct dbc_handle *dbc_handle_lock(struct dbc_context *context, u32 id);
void dbc_handle_unlock(struct dbc_handle *handle);
void dbc_release_handles(struct dbc_context *context);

/* Undo one step: -EINVAL if there is nothing to undo, -EBUSY if a later step is left. */
int dbc_step_detach(struct dbc_handle *handle);
int dbc_step_unmap(struct dbc_handle *handle);
int dbc_step_vunmap(struct dbc_handle *handle);
int dbc_step_end_cpu(struct dbc_handle *handle);

void dbc_cancel_fences(struct dbc_context *context);

bool dbc_stall_possible(void);
void dbc_stall_forget(struct dbc_context *context);

/* The requests. @arg is a kernel copy, written back if the request says so. */
int dbc_info(struct dbc_context *context, void *arg);
int dbc_track(struct dbc_context *context, void *arg);
int dbc_tracked(struct dbc_context *context, void *arg);
int dbc_file_facts(struct dbc_context *context, void *arg);
int dbc_import(struct dbc_context *context, void *arg);
int dbc_attach(struct dbc_context *context, void *arg);
int dbc_detach(struct dbc_context *context, void *arg);
int dbc_map(struct dbc_context *context, void *arg);
int dbc_unmap(struct dbc_context *context, void *arg);
int dbc_vmap(struct dbc_context *context, void *arg);
int dbc_vunmap(struct dbc_context *context, void *arg);
int dbc_vread(struct dbc_context *context, void *arg);
int dbc_vwrite(struct dbc_context *context, void *arg);
int dbc_begin_cpu(struct dbc_context *context, void *arg);
int dbc_end_cpu(struct dbc_context *context, void *arg);
int dbc_export(struct dbc_context *context, void *arg);
int dbc_put(struct dbc_context *context, void *arg);
int dbc_add_fence(struct dbc_context *context, void *arg);
int dbc_signal(struct dbc_context *context, void *arg);
int dbc_list_hold(struct dbc_context *context, void *arg);
int dbc_list_held(struct dbc_context *context, void *arg);
int dbc_stall_arm(struct dbc_context *context, void *arg);
int dbc_stall_wait(struct dbc_context *context, void *arg);
int dbc_stall_go(struct dbc_context *context, void *arg);
int dbc_stall_end(struct dbc_context *context, void *arg);

#endif /* DBC_INTERNAL_H */
