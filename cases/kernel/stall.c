// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stopping a thread in the middle of a system call, so that a race has one
 * outcome.
 *
 * Where a thread releases a lock, lockdep has a tracepoint; fd_install() passes
 * one right behind the store that makes a descriptor visible, as it leaves its
 * read side of RCU. A thread that asked for it is held up there until another
 * one lets it go on. It spins, since it may not sleep: it may hold a spinlock
 * or be inside of RCU.
 */

#include <linux/delay.h>
#include <linux/fdtable.h>
#include <linux/jiffies.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>

#include "internal.h"

#if defined(CONFIG_LOCKDEP) && defined(CONFIG_TRACEPOINTS)

#include <trace/events/lock.h>

/* For how long a thread stands still if nobody lets it go, in jiffies. */
#define DBC_STALL_PATIENCE	(3 * HZ)

enum dbc_stall_state {
	DBC_STALL_IDLE,
	DBC_STALL_ARMED,	/* the thread runs and has not come to the point */
	DBC_STALL_STOPPED,	/* it stands there */
	DBC_STALL_GOING,	/* it was let go */
	DBC_STALL_TIRED,	/* nobody let it go, and it went */
	DBC_STALL_PASSED,	/* it never came to the point */
};

/* There is one, as one thread stopped is enough. */
static struct {
	struct dbc_context *owner;
	struct task_struct *task;
	int state;
	s32 fd;
	u32 skip;
} dbc_point;

static DEFINE_MUTEX(dbc_point_lock);
static unsigned int dbc_point_users;

static bool dbc_descriptor_open(unsigned int fd)
{
	struct files_struct *files = current->files;
	struct fdtable *fdt;

	if (!files)
		return false;
	/* Without rcu_read_lock(): the probe below would see it go. */
	fdt = rcu_dereference_raw(files->fdt);
	return fd < fdt->max_fds && rcu_dereference_raw(fdt->fd[fd]);
}

static void dbc_at_lock_release(void *data, struct lockdep_map *lock, unsigned long ip)
{
	unsigned long deadline;

	if (READ_ONCE(dbc_point.task) != current || in_interrupt() || irqs_disabled() ||
	    READ_ONCE(dbc_point.state) != DBC_STALL_ARMED)
		return;
	if (dbc_point.fd >= 0 && !dbc_descriptor_open(dbc_point.fd))
		return;
	if (dbc_point.skip) {
		dbc_point.skip--;
		return;
	}

	smp_store_release(&dbc_point.state, DBC_STALL_STOPPED);
	deadline = jiffies + DBC_STALL_PATIENCE;
	while (smp_load_acquire(&dbc_point.state) == DBC_STALL_STOPPED) {
		if (time_after(jiffies, deadline))
			cmpxchg(&dbc_point.state, DBC_STALL_STOPPED, DBC_STALL_TIRED);
		cpu_relax();
	}
}

bool dbc_stall_possible(void)
{
	return true;
}

int dbc_stall_arm(struct dbc_context *context, void *arg)
{
	const struct dbc_stall *stall = arg;
	int ret = 0;

	mutex_lock(&dbc_point_lock);
	if (!context->stalls) {
		/* Stays until the context is closed: taking it back waits for RCU. */
		if (!dbc_point_users)
			ret = register_trace_lock_release(dbc_at_lock_release, NULL);
		if (ret)
			goto unlock;
		dbc_point_users++;
		context->stalls = true;
	}
	if (dbc_point.state != DBC_STALL_IDLE) {
		ret = -EBUSY;
		goto unlock;
	}
	dbc_point.owner = context;
	dbc_point.fd = stall->fd;
	dbc_point.skip = stall->skip;
	dbc_point.task = current;
	smp_store_release(&dbc_point.state, DBC_STALL_ARMED);
unlock:
	mutex_unlock(&dbc_point_lock);
	return ret;
}

int dbc_stall_wait(struct dbc_context *context, void *arg)
{
	unsigned long deadline = jiffies + DBC_LOCK_PATIENCE;
	int state;

	for (;;) {
		state = smp_load_acquire(&dbc_point.state);
		if (state > DBC_STALL_ARMED)
			break;
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		if (fatal_signal_pending(current))
			return -EINTR;
		usleep_range(20, 100);
	}
	/* Who waits is told once, and the point is free again. */
	if (state == DBC_STALL_PASSED) {
		WRITE_ONCE(dbc_point.state, DBC_STALL_IDLE);
		return -ENODATA;
	}
	return state == DBC_STALL_STOPPED ? 0 : -ETIMEDOUT;
}

int dbc_stall_go(struct dbc_context *context, void *arg)
{
	return cmpxchg(&dbc_point.state, DBC_STALL_STOPPED, DBC_STALL_GOING) ==
	       DBC_STALL_STOPPED ? 0 : -ENODATA;
}

int dbc_stall_end(struct dbc_context *context, void *arg)
{
	if (READ_ONCE(dbc_point.task) != current)
		return -EINVAL;
	WRITE_ONCE(dbc_point.task, NULL);
	switch (cmpxchg(&dbc_point.state, DBC_STALL_ARMED, DBC_STALL_PASSED)) {
	case DBC_STALL_ARMED:
		return -ENODATA;
	case DBC_STALL_GOING:
		WRITE_ONCE(dbc_point.state, DBC_STALL_IDLE);
		return 0;
	default:
		WRITE_ONCE(dbc_point.state, DBC_STALL_IDLE);
		return -ETIMEDOUT;
	}
}

void dbc_stall_forget(struct dbc_context *context)
{
	if (!context->stalls)
		return;
	mutex_lock(&dbc_point_lock);
	if (dbc_point.owner == context) {
		WRITE_ONCE(dbc_point.task, NULL);
		dbc_point.owner = NULL;
		smp_store_release(&dbc_point.state, DBC_STALL_IDLE);
	}
	if (!--dbc_point_users) {
		unregister_trace_lock_release(dbc_at_lock_release, NULL);
		tracepoint_synchronize_unregister();
	}
	mutex_unlock(&dbc_point_lock);
}

#else

bool dbc_stall_possible(void)
{
	return false;
}

int dbc_stall_arm(struct dbc_context *context, void *arg)
{
	return -EOPNOTSUPP;
}

int dbc_stall_wait(struct dbc_context *context, void *arg)
{
	return -EOPNOTSUPP;
}

int dbc_stall_go(struct dbc_context *context, void *arg)
{
	return -EOPNOTSUPP;
}

int dbc_stall_end(struct dbc_context *context, void *arg)
{
	return -EOPNOTSUPP;
}

void dbc_stall_forget(struct dbc_context *context)
{
}

#endif
