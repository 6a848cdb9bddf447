// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stops a thread in the middle of a system call, so that a race always has the
 * same outcome.
 *
 * lockdep has a tracepoint at each lock release. fd_install() passes one right
 * after the store that makes a descriptor visible, when it leaves its RCU
 * read-side section. An armed thread spins there until another thread resumes
 * it. It must not sleep: it may hold a spinlock or be inside an RCU section.
 */

#include <linux/delay.h>
#include <linux/fdtable.h>
#include <linux/jiffies.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>

#include "internal.h"

#if defined(CONFIG_LOCKDEP) && defined(CONFIG_TRACEPOINTS)

#include <trace/events/lock.h>

/* How long a stopped thread waits to be resumed, in jiffies. */
#define DBC_STALL_TIMEOUT	(3 * HZ)

enum dbc_stall_state {
	DBC_STALL_IDLE,
	DBC_STALL_ARMED,	/* the thread has not reached the stopping point */
	DBC_STALL_STOPPED,	/* it is stopped there */
	DBC_STALL_GOING,	/* it was resumed */
	DBC_STALL_TIMED_OUT,	/* it was not resumed in time and went on */
	DBC_STALL_FINISHED,	/* it never reached the stopping point */
};

/* One stopped thread at a time is enough. */
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
	/* No rcu_read_lock(): its release would reach the probe below. */
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
	deadline = jiffies + DBC_STALL_TIMEOUT;
	while (smp_load_acquire(&dbc_point.state) == DBC_STALL_STOPPED) {
		if (time_after(jiffies, deadline))
			cmpxchg(&dbc_point.state, DBC_STALL_STOPPED, DBC_STALL_TIMED_OUT);
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
		/* Registered until the context is closed: unregistering waits for RCU. */
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
	unsigned long deadline = jiffies + DBC_LOCK_TIMEOUT;
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
	/* The waiter is told once; then the point can be armed again. */
	if (state == DBC_STALL_FINISHED) {
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
	switch (cmpxchg(&dbc_point.state, DBC_STALL_ARMED, DBC_STALL_FINISHED)) {
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
