// SPDX-License-Identifier: GPL-2.0-only
/*
 * The global list of dma-bufs, read from outside dma-buf.c.
 *
 * The list head and its mutex are static in dma-buf.c, so they are looked up by
 * name. The list may be corrupt: the walk checks each pointer before it follows
 * it, and always terminates. A series may protect it by something else than this
 * mutex: then the walk is done again if a change got in its way. Or there is no
 * such list: then nothing is known about it.
 */

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kallsyms.h>
#include <linux/list.h>
#include <linux/moduleparam.h>

#include "internal.h"

/* More buffers than any case makes; a longer list counts as a loop. */
#define DBC_LIST_MAX	(1U << 18)

static struct list_head *dbc_list_head;
static struct mutex *dbc_list_mutex;

static bool dbc_ignore_list;
module_param_named(ignore_list, dbc_ignore_list, bool, 0644);
MODULE_PARM_DESC(ignore_list, "The list is known to be damaged: leave it alone");

/* Older kernels keep both in one struct. */
struct dbc_old_list {
	struct list_head head;
	struct mutex lock;
};

#ifdef DBC_HAVE_LIST
/* The host looks for this in System.map, so the name stays even if the array is inlined. */
static const char * const dbc_list_names[][2] __used = {
	{ "dmabuf_list", "dmabuf_list_mutex" },
	{ "debugfs_list", "debugfs_list_mutex" },
};

#define dbc_node_of(dmabuf)	(&(dmabuf)->list_node)
#define dbc_of_list(node)	container_of(node, struct dma_buf, list_node)
#else
#define dbc_node_of(dmabuf)	((struct list_head *)NULL)
#define dbc_of_list(node)	((struct dma_buf *)NULL)
#endif

void __init dbc_list_init(void)
{
#ifdef DBC_HAVE_LIST
	struct list_head *head = NULL, *next, *back;
	struct mutex *mutex = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dbc_list_names) && !head; i++) {
		head = (void *)kallsyms_lookup_name(dbc_list_names[i][0]);
		mutex = (void *)kallsyms_lookup_name(dbc_list_names[i][1]);
	}
	if (!head) {
		struct dbc_old_list *old = (void *)kallsyms_lookup_name("db_list");

		if (!old)
			return;
		head = &old->head;
		mutex = &old->lock;
	}
	/* Check that the symbol really is a list head. */
	if (!dbc_peek(next, &head->next) || !dbc_peek(back, &next->prev) || back != head)
		return;
	dbc_list_head = head;
	dbc_list_mutex = mutex;
#endif
}

bool dbc_list_found(void)
{
	return dbc_list_head && !READ_ONCE(dbc_ignore_list);
}

bool dbc_list_lock_found(void)
{
	return dbc_list_found() && dbc_list_mutex;
}

static bool dbc_list_lock(void)
{
	unsigned long deadline = jiffies + DBC_LOCK_TIMEOUT;

	while (dbc_list_mutex && !mutex_trylock(dbc_list_mutex)) {
		if (time_after(jiffies, deadline))
			return false;
		usleep_range(50, 200);
	}
	return true;
}

static void dbc_list_unlock(void)
{
	if (dbc_list_mutex)
		mutex_unlock(dbc_list_mutex);
}

/*
 * True if the memory of a released buffer now belongs to another buffer: its
 * file is in use, is the file of a dma-buf, and has an inode number that the
 * released buffer did not have.
 */
static bool dbc_reused(const struct dbc_tracker *tracker)
{
	typeof_member(struct inode, i_ino) ino;
	struct dma_buf *dmabuf = tracker->dmabuf;
	const struct file_operations *fops;
	void *private_data;
	struct inode *inode;
	struct file *file;
	u32 refs;

	if (!dbc_peek(file, &dmabuf->file) || !dbc_peek(fops, &file->f_op) ||
	    !dbc_peek(private_data, &file->private_data) ||
	    !dbc_peek(inode, &file->f_inode) || !dbc_peek(ino, &inode->i_ino))
		return false;
	refs = dbc_peek_file_refs(file);
	if (!refs || refs == DBC_CORRUPT || fops != tracker->fops || ino == tracker->ino)
		return false;
	/* The series under test may keep something else in private_data. */
	return private_data == dmabuf || tracker->private_data != dmabuf;
}

static u32 dbc_list_walk_once(struct list_head *wanted)
{
	struct list_head *entry = dbc_list_head, *next, *back;
	u32 count = 0, steps;

	for (steps = 0; steps < DBC_LIST_MAX; steps++) {
		if (!dbc_peek(next, &entry->next) || !dbc_peek(back, &next->prev) ||
		    back != entry)
			return DBC_CORRUPT;
		if (next == dbc_list_head)
			return count;
		if (!wanted || next == wanted)
			count++;
		entry = next;
	}
	return DBC_CORRUPT;
}

/* Counts all entries, or with @wanted only entries at that address. */
static u32 dbc_list_walk(struct list_head *wanted)
{
	u32 count = dbc_list_walk_once(wanted);
	unsigned int more = dbc_list_mutex ? 0 : 100;

	while (count == DBC_CORRUPT && more--) {
		usleep_range(50, 200);
		count = dbc_list_walk_once(wanted);
	}
	return count;
}

u32 dbc_list_length(void)
{
	u32 count;

	if (!dbc_list_found())
		return DBC_UNKNOWN;
	if (!dbc_list_lock())
		return DBC_BUSY;
	count = dbc_list_walk(NULL);
	dbc_list_unlock();
	return count;
}

/* Without the reservation lock, so each pointer is checked here too. */
u32 dbc_count_attachments(struct dma_buf *dmabuf)
{
	struct list_head *head = &dmabuf->attachments, *entry = head, *next, *back;
	u32 count;

	for (count = 0; count < DBC_LIST_MAX; count++) {
		if (!dbc_peek(next, &entry->next) || !dbc_peek(back, &next->prev) ||
		    back != entry)
			return DBC_CORRUPT;
		if (next == head)
			return count;
		entry = next;
	}
	return DBC_CORRUPT;
}

u32 dbc_list_attachments(void)
{
	struct list_head *entry, *next;
	u32 total = 0, steps, count;

	if (!dbc_list_found())
		return DBC_UNKNOWN;
	if (!dbc_list_lock())
		return DBC_BUSY;
	/* The list is checked before it is followed. Without a lock it may still become shorter. */
	count = dbc_list_walk(NULL);
	entry = dbc_list_head;
	for (steps = 0; count < DBC_BUSY && steps < count; steps++) {
		u32 attachments;

		if (!dbc_peek(next, &entry->next) || next == dbc_list_head)
			break;
		attachments = dbc_count_attachments(dbc_of_list(next));
		if (attachments >= DBC_BUSY) {
			count = attachments;
			break;
		}
		total += attachments;
		entry = next;
	}
	dbc_list_unlock();
	return count < DBC_BUSY ? total : count;
}

u32 dbc_list_count(struct dbc_tracker *tracker, bool alive)
{
	u32 count;

	if (!dbc_list_found() || !READ_ONCE(tracker->list))
		return DBC_UNKNOWN;
	if (!dbc_list_lock())
		return DBC_BUSY;
	count = dbc_list_walk(dbc_node_of(tracker->dmabuf));
	if (count == 1 && !alive && dbc_reused(tracker))
		count = 0;
	dbc_list_unlock();
	return count;
}

static bool dbc_list_is_held;

/* Sleeps while it holds the lock, so that other tasks block and do not spin. */
int dbc_list_hold(struct dbc_context *context, void *arg)
{
	struct dbc_list_hold *hold = arg;
	struct dbc_tracker *tracker = xa_load(&context->trackers, hold->token);
	unsigned long deadline = jiffies + DBC_LOCK_TIMEOUT;
	int ret = -ETIMEDOUT;

	if (!tracker)
		return -ENOENT;
	if (!dbc_list_lock_found())
		return -EOPNOTSUPP;
	if (!dbc_list_lock())
		return -EBUSY;
	if (dbc_list_walk(dbc_node_of(tracker->dmabuf)) != 1) {
		dbc_list_unlock();
		return -ESTALE;
	}
	WRITE_ONCE(dbc_list_is_held, true);
	while (!time_after(jiffies, deadline)) {
		/* Bit 0 of the owner word: another task is queued. */
		bool waited = atomic_long_read(&dbc_list_mutex->owner) & 1;

		if (dbc_list_walk(dbc_node_of(tracker->dmabuf)) != 1) {
			hold->outcome = DBC_HOLD_LEFT;
			ret = 0;
			break;
		}
		if (waited) {
			hold->outcome = DBC_HOLD_WAITED;
			ret = 0;
			break;
		}
		usleep_range(50, 200);
	}
	WRITE_ONCE(dbc_list_is_held, false);
	dbc_list_unlock();
	return ret;
}

int dbc_list_held(struct dbc_context *context, void *arg)
{
	unsigned long deadline = jiffies + DBC_LOCK_TIMEOUT;

	while (!READ_ONCE(dbc_list_is_held)) {
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		usleep_range(50, 200);
	}
	return 0;
}
