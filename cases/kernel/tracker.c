// SPDX-License-Identifier: GPL-2.0-only
/*
 * Observes one buffer: its callbacks are replaced by a copy whose release
 * callback counts its calls and records the state before the exporter's release
 * runs.
 *
 * A tracker takes no reference on the buffer, as that would change what is
 * measured. Code that reads the buffer pins the tracker instead, and release
 * waits for the pins.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "internal.h"

atomic_t dbc_trackers;
atomic_t dbc_tracked_alive;
atomic_t dbc_attachments_lost;
atomic_t dbc_pages_kept;

/* One buffer may be tracked by two contexts at once. */
static DEFINE_MUTEX(dbc_track_mutex);

static void dbc_tracker_free(struct kref *refs)
{
	kfree(container_of(refs, struct dbc_tracker, refs));
	atomic_dec(&dbc_trackers);
}

void dbc_tracker_put(struct dbc_tracker *tracker)
{
	kref_put(&tracker->refs, dbc_tracker_free);
}

/* False once release was called: the buffer must not be accessed any more. */
bool dbc_tracker_pin(struct dbc_tracker *tracker)
{
	bool alive;

	spin_lock(&tracker->lock);
	alive = !tracker->releases;
	if (alive)
		tracker->pins++;
	spin_unlock(&tracker->lock);
	return alive;
}

void dbc_tracker_unpin(struct dbc_tracker *tracker)
{
	spin_lock(&tracker->lock);
	if (!--tracker->pins)
		wake_up_all(&tracker->idle);
	spin_unlock(&tracker->lock);
}

static bool dbc_tracker_idle(struct dbc_tracker *tracker)
{
	bool idle;

	spin_lock(&tracker->lock);
	idle = !tracker->pins;
	spin_unlock(&tracker->lock);
	return idle;
}

u32 dbc_primary_refs(struct dbc_tracker *tracker)
{
	const struct file_operations *fops;
	struct file *file = tracker->file;
	void *private_data;
	u32 refs;

	refs = dbc_peek_file_refs(file);
	if (!refs)
		return 0;
	/* In use, but it may belong to something else by now. */
	if (!dbc_peek(fops, &file->f_op) || fops != tracker->fops ||
	    !dbc_peek(private_data, &file->private_data) ||
	    private_data != tracker->private_data)
		return DBC_CORRUPT;
	return refs;
}

static void dbc_release_wrapper(struct dma_buf *dmabuf)
{
	struct dbc_tracker *tracker = container_of(dmabuf->ops, struct dbc_tracker, ops);
	struct dbc_held_pages *held;
	u32 attachments;
	bool first;

	spin_lock(&tracker->lock);
	first = !tracker->releases++;
	spin_unlock(&tracker->lock);
	/* The count reports the bug; a double free would only crash. */
	if (!first)
		return;

	wait_event(tracker->idle, dbc_tracker_idle(tracker));
	tracker->on_list_at_release = dbc_list_count(tracker, true);
	tracker->primary_refs_at_release = dbc_primary_refs(tracker);
	attachments = dbc_count_attachments(dmabuf);
	if (attachments < DBC_BUSY)
		atomic_add(attachments, &dbc_attachments_lost);
	atomic_dec(&dbc_tracked_alive);
	held = dbc_hold_pages(dmabuf, tracker->original);
	tracker->original->release(dmabuf);
	atomic_add(dbc_let_pages_go(held), &dbc_pages_kept);
	dbc_tracker_put(tracker);
}

static struct sg_table *dbc_map_wrapper(struct dma_buf_attachment *attachment, enum dma_data_direction direction)
{
	struct dbc_tracker *tracker = container_of(attachment->dmabuf->ops, struct dbc_tracker, ops);
	struct sg_table *table = tracker->original->map_dma_buf(attachment, direction);

	if (!IS_ERR_OR_NULL(table))
		atomic_inc(&tracker->maps);
	return table;
}

static void dbc_unmap_wrapper(struct dma_buf_attachment *attachment, struct sg_table *table,
			      enum dma_data_direction direction)
{
	struct dbc_tracker *tracker = container_of(attachment->dmabuf->ops, struct dbc_tracker, ops);

	tracker->original->unmap_dma_buf(attachment, table, direction);
	atomic_dec(&tracker->maps);
}

/* The tracker of a buffer that the caller holds a reference on, or NULL. */
struct dbc_tracker *dbc_tracker_of(struct dma_buf *dmabuf)
{
	const struct dma_buf_ops *ops = READ_ONCE(dmabuf->ops);
	struct dbc_tracker *tracker;

	if (ops->release != dbc_release_wrapper)
		return NULL;
	tracker = container_of(ops, struct dbc_tracker, ops);
	kref_get(&tracker->refs);
	return tracker;
}

static struct dbc_tracker *dbc_tracker_create(struct dma_buf *dmabuf)
{
	struct file *file = dmabuf->file;
	struct dbc_tracker *tracker;

	tracker = kzalloc(sizeof(*tracker), GFP_KERNEL);
	if (!tracker)
		return NULL;

	kref_init(&tracker->refs);
	spin_lock_init(&tracker->lock);
	init_waitqueue_head(&tracker->idle);
	tracker->dmabuf = dmabuf;
	tracker->file = file;
	tracker->sb = file_inode(file)->i_sb;
	tracker->ino = file_inode(file)->i_ino;
	tracker->fops = file->f_op;
	tracker->private_data = file->private_data;
	tracker->mapping = file->f_mapping;
	tracker->original = dmabuf->ops;
	tracker->ops = *dmabuf->ops;
	tracker->ops.release = dbc_release_wrapper;
	tracker->ops.map_dma_buf = dbc_map_wrapper;
	tracker->ops.unmap_dma_buf = dbc_unmap_wrapper;
	tracker->on_list_at_release = DBC_UNKNOWN;
	tracker->primary_refs_at_release = DBC_UNKNOWN;
	atomic_inc(&dbc_trackers);
	return tracker;
}

/* An alias may have an inode of its own, with the same number. */
static bool dbc_same_buffer(struct file *one, struct file *other)
{
	struct inode *inode = file_inode(one);

	return inode->i_sb == file_inode(other)->i_sb && inode->i_ino == file_inode(other)->i_ino;
}

int dbc_track(struct dbc_context *context, void *arg)
{
	struct dbc_tracker *tracker;
	struct dbc_track *track = arg;
	struct dma_buf *dmabuf;
	struct file *file;
	bool created;
	int ret;

	dmabuf = dma_buf_get(track->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	file = fget(track->fd);
	ret = file && dbc_same_buffer(file, dmabuf->file) ? 0 : -EINVAL;
	if (file)
		fput(file);
	if (ret)
		goto put_buffer;

	mutex_lock(&dbc_track_mutex);
	tracker = dbc_tracker_of(dmabuf);
	created = !tracker;
	if (created)
		tracker = dbc_tracker_create(dmabuf);
	if (!tracker) {
		ret = -ENOMEM;
		goto unlock;
	}
	if (track->list)
		WRITE_ONCE(tracker->list, true);
	ret = xa_alloc(&context->trackers, &track->token, tracker, xa_limit_31b, GFP_KERNEL);
	if (ret) {
		dbc_tracker_put(tracker);
		goto unlock;
	}
	if (created) {
		/* The buffer's own reference, dropped by its release. */
		kref_get(&tracker->refs);
		atomic_inc(&dbc_tracked_alive);
		/* Publishes a completely initialised tracker. */
		smp_store_release(&dmabuf->ops, &tracker->ops);
	}
unlock:
	mutex_unlock(&dbc_track_mutex);
put_buffer:
	dma_buf_put(dmabuf);
	return ret;
}

void dbc_forget_tokens(struct dbc_context *context)
{
	struct dbc_tracker *tracker;
	unsigned long token;

	xa_for_each(&context->trackers, token, tracker)
		dbc_tracker_put(tracker);
	xa_destroy(&context->trackers);
}
