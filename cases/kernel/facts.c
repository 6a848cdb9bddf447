// SPDX-License-Identifier: GPL-2.0-only
/* Facts about a tracked buffer and about the file behind a descriptor. */

#include <linux/delay.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>

#include "internal.h"

/* Tokens stay valid while the context is open. */
static struct dbc_tracker *dbc_tracker_find(struct dbc_context *context, u32 token)
{
	return xa_load(&context->trackers, token);
}

static void dbc_count_under_resv(struct dma_buf *dmabuf, struct dbc_tracked *facts)
{
	unsigned long deadline = jiffies + DBC_LOCK_TIMEOUT;
	struct dma_resv_iter cursor;
	struct list_head *entry;
	struct dma_fence *fence;

	while (!dma_resv_trylock(dmabuf->resv)) {
		if (time_after(jiffies, deadline)) {
			facts->attachments = DBC_BUSY;
			facts->fences = DBC_BUSY;
			facts->fences_pending = DBC_BUSY;
			facts->writes_pending = DBC_BUSY;
			return;
		}
		usleep_range(50, 200);
	}
	facts->attachments = 0;
	list_for_each(entry, &dmabuf->attachments)
		facts->attachments++;

	facts->fences = 0;
	facts->fences_pending = 0;
	facts->writes_pending = 0;
	dma_resv_for_each_fence(&cursor, dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP, fence) {
		facts->fences++;
		if (dma_fence_is_signaled(fence))
			continue;
		facts->fences_pending++;
		if (dma_resv_iter_usage(&cursor) <= DMA_RESV_USAGE_WRITE)
			facts->writes_pending++;
	}
	dma_resv_unlock(dmabuf->resv);
}

int dbc_tracked(struct dbc_context *context, void *arg)
{
	struct dbc_tracked *facts = arg;
	struct dbc_tracker *tracker = dbc_tracker_find(context, facts->token);

	if (!tracker)
		return -ENOENT;

	facts->primary_refs = DBC_UNKNOWN;
	facts->attachments = DBC_UNKNOWN;
	facts->vmaps = DBC_UNKNOWN;
	facts->maps = DBC_UNKNOWN;
	facts->fences = DBC_UNKNOWN;
	facts->fences_pending = DBC_UNKNOWN;
	facts->writes_pending = DBC_UNKNOWN;

	facts->alive = dbc_tracker_pin(tracker);
	facts->on_list = dbc_list_count(tracker, facts->alive);
	if (facts->alive) {
		facts->primary_refs = dbc_primary_refs(tracker);
		facts->vmaps = READ_ONCE(tracker->dmabuf->vmapping_counter);
		facts->maps = atomic_read(&tracker->maps);
		dbc_count_under_resv(tracker->dmabuf, facts);
		dbc_tracker_unpin(tracker);
	}
	facts->releases = READ_ONCE(tracker->releases);
	facts->on_list_at_release = READ_ONCE(tracker->on_list_at_release);
	facts->primary_refs_at_release = READ_ONCE(tracker->primary_refs_at_release);
	return 0;
}

int dbc_file_facts(struct dbc_context *context, void *arg)
{
	struct dbc_file_facts *facts = arg;
	struct dbc_tracker *tracker = NULL;
	struct file *file;

	if (facts->token) {
		tracker = dbc_tracker_find(context, facts->token);
		if (!tracker)
			return -ENOENT;
	}
	file = fget(facts->fd);
	if (!file)
		return -EBADF;

	facts->refs = file_count(file) - 1;
	facts->flags = file->f_flags;
	facts->mode = 0;
	if (file->f_mode & FMODE_READ)
		facts->mode |= DBC_MODE_READ;
	if (file->f_mode & FMODE_WRITE)
		facts->mode |= DBC_MODE_WRITE;

	facts->relation = 0;
	if (tracker) {
		struct inode *inode = file_inode(file);

		/* Numbers, not addresses: addresses are reused. */
		if (inode->i_sb == tracker->sb && inode->i_ino == tracker->ino)
			facts->relation |= DBC_FILE_SAME_BUFFER;
		if (file == tracker->file && facts->relation)
			facts->relation |= DBC_FILE_PRIMARY;
		if (file->private_data == tracker->private_data)
			facts->relation |= DBC_FILE_SAME_PRIVATE;
		if (file->f_op == tracker->fops)
			facts->relation |= DBC_FILE_SAME_FOPS;
		if (file->f_mapping == tracker->mapping)
			facts->relation |= DBC_FILE_SAME_MAPPING;
		if (file->f_mapping == inode->i_mapping)
			facts->relation |= DBC_FILE_OWN_MAPPING;
	}
	fput(file);
	return 0;
}
