// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deliberate faults. `cargo xtask selftest` triggers them one by one and proves
 * that each is detected. Compiled only with CONFIG_DMABUF_CONFORMANCE_FAULTS,
 * which is never set in a kernel under test.
 *
 * Writing "NAME" or "NAME FD" to debugfs dmabuf-conformance/misbehave triggers
 * the fault of that name; dmabuf_conformance.at_boot=NAME does so as the last
 * initcall. Reading the file lists the names.
 */

#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/list.h>
#include <linux/moduleparam.h>
#include <linux/panic.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "internal.h"

/* Hides a value from the compiler. */
#define dbc_opaque(value)	OPTIMIZER_HIDE_VAR(value)

/* noinline, so that a report names the fault by its function. */
#define FAULT(name)	static noinline int dbc_fault_##name(int fd)

/* Also called from callbacks, so it must not sleep. */
FAULT(use_after_free)
{
	char *object = kmalloc(64, GFP_ATOMIC);

	if (!object)
		return -ENOMEM;
	kfree(object);
	dbc_opaque(object);
	return READ_ONCE(object[8]) & 0;
}

FAULT(out_of_bounds)
{
	char *object = kmalloc(64, GFP_KERNEL);
	char *end;

	if (!object)
		return -ENOMEM;
	end = object + 64;
	dbc_opaque(end);
	WRITE_ONCE(*end, 1);
	kfree(object);
	return 0;
}

FAULT(double_free)
{
	char *object = kmalloc(64, GFP_KERNEL);

	if (!object)
		return -ENOMEM;
	kfree(object);
	dbc_opaque(object);
	kfree(object);
	return 0;
}

FAULT(null_dereference)
{
	char *nothing = NULL;

	dbc_opaque(nothing);
	return READ_ONCE(nothing[16]);
}

FAULT(wild_pointer)
{
	char *wild = (char *)0xdead000000000400UL;

	dbc_opaque(wild);
	return READ_ONCE(*wild);
}

FAULT(jump_to_null)
{
	int (*nowhere)(int fd) = NULL;

	dbc_opaque(nowhere);
	return nowhere(fd);
}

FAULT(bug)
{
	BUG();
}

FAULT(warn)
{
	WARN(1, "a warning on purpose\n");
	return 0;
}

FAULT(divide_by_zero)
{
	int zero = 0;

	dbc_opaque(fd);
	dbc_opaque(zero);
	return fd / zero;
}

FAULT(refcount_underflow)
{
	refcount_t count = REFCOUNT_INIT(0);

	return refcount_dec_and_test(&count);
}

FAULT(list_corruption)
{
	struct list_head entry;
	LIST_HEAD(list);

	list_add(&entry, &list);
	list_del(&entry);
	list_del(&entry);
	return 0;
}

static DEFINE_MUTEX(dbc_first);
static DEFINE_MUTEX(dbc_second);
static DEFINE_MUTEX(dbc_kept);
static DEFINE_SPINLOCK(dbc_spin);

FAULT(sleep_in_atomic)
{
	spin_lock(&dbc_spin);
	mutex_lock(&dbc_first);
	mutex_unlock(&dbc_first);
	spin_unlock(&dbc_spin);
	return 0;
}

FAULT(lock_order)
{
	mutex_lock(&dbc_first);
	mutex_lock(&dbc_second);
	mutex_unlock(&dbc_second);
	mutex_unlock(&dbc_first);

	mutex_lock(&dbc_second);
	mutex_lock(&dbc_first);
	mutex_unlock(&dbc_first);
	mutex_unlock(&dbc_second);
	return 0;
}

FAULT(lock_taken_twice)
{
	mutex_lock(&dbc_kept);
	mutex_lock(&dbc_kept);
	return 0;
}

FAULT(lock_never_released)
{
	mutex_lock(&dbc_kept);
	return 0;
}

FAULT(wait_for_ever)
{
	DECLARE_COMPLETION_ONSTACK(never);

	wait_for_completion(&never);
	return 0;
}

/* Never set, but the compiler does not know that. */
static bool dbc_enough;

static __always_inline void dbc_loop(void)
{
	while (!READ_ONCE(dbc_enough))
		cpu_relax();
}

FAULT(loop)
{
	dbc_loop();
	return 0;
}

FAULT(loop_without_preemption)
{
	preempt_disable();
	dbc_loop();
	return 0;
}

FAULT(loop_with_interrupts_off)
{
	local_irq_disable();
	dbc_loop();
	return 0;
}

static void dbc_nothing(struct rcu_head *head)
{
}

FAULT(loop_in_rcu)
{
	static struct rcu_head head;

	/* A pending callback makes RCU wait for this read-side section. */
	call_rcu(&head, dbc_nothing);
	rcu_read_lock();
	dbc_loop();
	return 0;
}

static void dbc_loop_here(void *nothing)
{
	dbc_loop();
}

/* Interrupts off on every CPU: no watchdog can run. */
FAULT(loop_everywhere)
{
	on_each_cpu(dbc_loop_here, NULL, 1);
	return 0;
}

static noinline int dbc_recurse(int depth)
{
	volatile char frame[512];

	frame[depth % 512] = depth;
	if (depth < 0)
		return 0;
	return dbc_recurse(depth + 1) + frame[depth % 512];
}

FAULT(stack_overflow)
{
	return dbc_recurse(0) & 0;
}

/* Prints nothing, unlike kernel_restart(). */
FAULT(reset)
{
	emergency_restart();
	return 0;
}

FAULT(panic)
{
	panic("a panic on purpose");
}

FAULT(flood_the_log)
{
	unsigned int line = 0;

	while (!fatal_signal_pending(current)) {
		pr_notice("line %u of a flood on purpose\n", line++);
		cond_resched();
	}
	return -EINTR;
}

FAULT(out_of_memory)
{
	/* The pages are never freed. */
	while (!fatal_signal_pending(current))
		if (!alloc_pages(GFP_KERNEL | __GFP_NOWARN, 0))
			break;
	return -ENOMEM;
}

/* A file reference that is never dropped. */
FAULT(leak_file)
{
	return fget(fd) ? 0 : -EBADF;
}

FAULT(fput_too_many)
{
	struct file *file = fget(fd);

	if (!file)
		return -EBADF;
	fput(file);
	fput(file);
	return 0;
}

/* Faults that happen after the system call has returned. */

static noinline void dbc_late_rcu(struct rcu_head *head)
{
	dbc_fault_use_after_free(-1);
}

FAULT(late_in_rcu)
{
	static struct rcu_head head;

	call_rcu(&head, dbc_late_rcu);
	return 0;
}

static noinline void dbc_late_work(struct work_struct *work)
{
	dbc_fault_use_after_free(-1);
}

FAULT(late_in_work)
{
	static DECLARE_WORK(work, dbc_late_work);

	schedule_work(&work);
	return 0;
}

static noinline void dbc_late_timer(struct timer_list *timer)
{
	dbc_fault_null_dereference(-1);
}

FAULT(late_in_timer)
{
	static DEFINE_TIMER(timer, dbc_late_timer);

	mod_timer(&timer, jiffies + 1);
	return 0;
}

#define ENTRY(name)	{ #name, dbc_fault_##name }

static const struct dbc_fault {
	const char *name;
	int (*commit)(int fd);
} dbc_faults[] = {
	ENTRY(use_after_free),
	ENTRY(out_of_bounds),
	ENTRY(double_free),
	ENTRY(null_dereference),
	ENTRY(wild_pointer),
	ENTRY(jump_to_null),
	ENTRY(bug),
	ENTRY(warn),
	ENTRY(divide_by_zero),
	ENTRY(refcount_underflow),
	ENTRY(list_corruption),
	ENTRY(sleep_in_atomic),
	ENTRY(lock_order),
	ENTRY(lock_taken_twice),
	ENTRY(lock_never_released),
	ENTRY(wait_for_ever),
	ENTRY(loop),
	ENTRY(loop_without_preemption),
	ENTRY(loop_with_interrupts_off),
	ENTRY(loop_in_rcu),
	ENTRY(loop_everywhere),
	ENTRY(stack_overflow),
	ENTRY(reset),
	ENTRY(panic),
	ENTRY(flood_the_log),
	ENTRY(out_of_memory),
	ENTRY(leak_file),
	ENTRY(fput_too_many),
	ENTRY(late_in_rcu),
	ENTRY(late_in_work),
	ENTRY(late_in_timer),
};

static int dbc_commit(const char *name, int fd)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dbc_faults); i++)
		if (!strcmp(dbc_faults[i].name, name))
			return dbc_faults[i].commit(fd);
	return -ENOENT;
}

static ssize_t dbc_misbehave_write(struct file *file, const char __user *user,
				   size_t len, loff_t *offset)
{
	char text[64], name[48];
	int fd = -1, ret;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, len))
		return -EFAULT;
	text[len] = '\0';
	if (sscanf(text, "%47s %d", name, &fd) < 1)
		return -EINVAL;
	ret = dbc_commit(name, fd);
	return ret ? ret : len;
}

static int dbc_misbehave_show(struct seq_file *seq, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dbc_faults); i++)
		seq_printf(seq, "%s\n", dbc_faults[i].name);
	return 0;
}

static int dbc_misbehave_open(struct inode *inode, struct file *file)
{
	return single_open(file, dbc_misbehave_show, NULL);
}

static const struct file_operations dbc_misbehave_fops = {
	.owner = THIS_MODULE,
	.open = dbc_misbehave_open,
	.read = seq_read,
	.write = dbc_misbehave_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static char *dbc_at_boot;
module_param_named(at_boot, dbc_at_boot, charp, 0);

static int __init dbc_misbehave_init(void)
{
	struct dentry *dir = debugfs_create_dir(DBC_DEVICE_NAME, NULL);

	/* unsafe: otherwise debugfs would wait on removal for a fault that never returns. */
	debugfs_create_file_unsafe("misbehave", 0600, dir, NULL, &dbc_misbehave_fops);
	if (dbc_at_boot)
		pr_notice("dmabuf-conformance: at boot %s: %d\n", dbc_at_boot, dbc_commit(dbc_at_boot, -1));
	return 0;
}
late_initcall_sync(dbc_misbehave_init);
