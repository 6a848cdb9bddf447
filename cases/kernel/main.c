// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/dmabuf-conformance: the device, its contexts, and the table of requests.
 */

#include <linux/dma-fence.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/platform_device.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"

/* The device that importers attach; a platform device has DMA masks. */
struct device *dbc_device;

static atomic_t dbc_contexts;

static int dbc_totals(struct dbc_context *context, void *arg)
{
	*(struct dbc_totals *)arg = (struct dbc_totals) {
		.listed = dbc_list_length(),
		.contexts = atomic_read(&dbc_contexts),
		.trackers = atomic_read(&dbc_trackers),
		.tracked_alive = atomic_read(&dbc_tracked_alive),
		.handles = atomic_read(&dbc_handles),
		.fences = atomic_read(&dbc_fences),
		.attachments = dbc_list_attachments(),
		.attachments_lost = atomic_read(&dbc_attachments_lost),
		.pinned = dbc_pinned_pages(),
		.other_pages = dbc_other_pages(),
		.slab_pages = dbc_slab_pages(),
		.pages_kept = atomic_read(&dbc_pages_kept),
		.files = dbc_open_files(),
	};
	return 0;
}

/*
 * Waits for delayed fputs, then RCU callbacks, then fputs that these callbacks
 * delayed. kfree_rcu() batches only free memory and are not waited for, which
 * would take a hundred times as long. System workqueues are not flushed: this
 * driver does not queue on them, and the kernel discourages it.
 */
static int dbc_drain(struct dbc_context *context, void *arg)
{
	flush_delayed_fput();
	rcu_barrier();
	flush_delayed_fput();
	return 0;
}

/* Unused vmalloc areas keep their KASAN shadow until they are purged. */
static int dbc_purge(struct dbc_context *context, void *arg)
{
	vm_unmap_aliases();
	return dbc_drain(context, arg);
}

static const struct dbc_request {
	unsigned int cmd;
	int (*run)(struct dbc_context *context, void *arg);
} dbc_requests[] = {
	{ DBC_INFO, dbc_info },
	{ DBC_TRACK, dbc_track },
	{ DBC_TRACKED, dbc_tracked },
	{ DBC_FILE_FACTS, dbc_file_facts },
	{ DBC_TOTALS, dbc_totals },
	{ DBC_DRAIN, dbc_drain },
	{ DBC_PURGE, dbc_purge },
	{ DBC_IMPORT, dbc_import },
	{ DBC_ATTACH, dbc_attach },
	{ DBC_DETACH, dbc_detach },
	{ DBC_MAP, dbc_map },
	{ DBC_UNMAP, dbc_unmap },
	{ DBC_VMAP, dbc_vmap },
	{ DBC_VUNMAP, dbc_vunmap },
	{ DBC_VREAD, dbc_vread },
	{ DBC_VWRITE, dbc_vwrite },
	{ DBC_BEGIN_CPU, dbc_begin_cpu },
	{ DBC_END_CPU, dbc_end_cpu },
	{ DBC_EXPORT, dbc_export },
	{ DBC_PUT, dbc_put },
	{ DBC_ADD_FENCE, dbc_add_fence },
	{ DBC_SIGNAL, dbc_signal },
	{ DBC_LIST_HOLD, dbc_list_hold },
	{ DBC_LIST_HELD, dbc_list_held },
	{ DBC_STALL_ARM, dbc_stall_arm },
	{ DBC_STALL_WAIT, dbc_stall_wait },
	{ DBC_STALL_GO, dbc_stall_go },
	{ DBC_STALL_END, dbc_stall_end },
};

/* Large enough for the argument of any request. */
union dbc_argument {
	__u32 handle;
	struct dbc_info info;
	struct dbc_track track;
	struct dbc_tracked tracked;
	struct dbc_file_facts file_facts;
	struct dbc_totals totals;
	struct dbc_import import;
	struct dbc_map map;
	struct dbc_cpu cpu;
	struct dbc_rw rw;
	struct dbc_add_fence add_fence;
	struct dbc_signal signal;
	struct dbc_export export;
	struct dbc_list_hold list_hold;
	struct dbc_stall stall;
};

static const struct dbc_request *dbc_find_request(unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dbc_requests); i++)
		if (dbc_requests[i].cmd == cmd)
			return &dbc_requests[i];
	return NULL;
}

static long dbc_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	const struct dbc_request *request = dbc_find_request(cmd);
	void __user *argp = (void __user *)user;
	union dbc_argument arg = {};
	int ret;

	if (!request)
		return -ENOTTY;
	if ((_IOC_DIR(cmd) & _IOC_WRITE) && copy_from_user(&arg, argp, _IOC_SIZE(cmd)))
		return -EFAULT;
	/*
	 * Writing the argument back unchanged detects unwritable memory before
	 * the request does anything that would have to be undone.
	 */
	if (_IOC_DIR(cmd) == (_IOC_READ | _IOC_WRITE) &&
	    copy_to_user(argp, &arg, _IOC_SIZE(cmd)))
		return -EFAULT;

	ret = request->run(file->private_data, &arg);
	if (ret)
		return ret;
	if ((_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(argp, &arg, _IOC_SIZE(cmd)))
		return -EFAULT;
	return 0;
}

static int dbc_open(struct inode *inode, struct file *file)
{
	struct dbc_context *context;

	context = kzalloc(sizeof(*context), GFP_KERNEL);
	if (!context)
		return -ENOMEM;
	xa_init_flags(&context->handles, XA_FLAGS_ALLOC1);
	xa_init_flags(&context->trackers, XA_FLAGS_ALLOC1);
	xa_init_flags(&context->fences, XA_FLAGS_ALLOC1);
	mutex_init(&context->fence_lock);
	context->timeline = dma_fence_context_alloc(1);
	context->next_fence = 1;
	file->private_data = context;
	atomic_inc(&dbc_contexts);
	return nonseekable_open(inode, file);
}

static int dbc_close(struct inode *inode, struct file *file)
{
	struct dbc_context *context = file->private_data;

	dbc_stall_forget(context);
	/* Fences first: ending CPU access or unmapping may wait for one. */
	dbc_cancel_fences(context);
	dbc_release_handles(context);
	dbc_forget_tokens(context);
	mutex_destroy(&context->fence_lock);
	kfree(context);
	atomic_dec(&dbc_contexts);
	return 0;
}

static const struct file_operations dbc_fops = {
	.owner = THIS_MODULE,
	.open = dbc_open,
	.release = dbc_close,
	.unlocked_ioctl = dbc_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice dbc_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = DBC_DEVICE_NAME,
	.fops = &dbc_fops,
};

static int __init dbc_init(void)
{
	struct platform_device *device;
	int ret;

	BUILD_BUG_ON(sizeof(struct dbc_info) != 40);
	BUILD_BUG_ON(sizeof(struct dbc_tracked) != 52);
	BUILD_BUG_ON(sizeof(struct dbc_file_facts) != 24);
	BUILD_BUG_ON(sizeof(struct dbc_totals) != 52);
	BUILD_BUG_ON(sizeof(struct dbc_map) != 24);
	BUILD_BUG_ON(sizeof(struct dbc_rw) != 32);
	BUILD_BUG_ON(sizeof(struct dbc_add_fence) != 32);
	BUILD_BUG_ON(sizeof(struct dbc_export) != 16);

	dbc_list_init();
	dbc_files_init();
	device = platform_device_register_simple(DBC_DEVICE_NAME, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	dbc_device = &device->dev;
	/* All memory is reachable, so mapping never depends on page addresses. */
	ret = dma_set_mask_and_coherent(dbc_device, DMA_BIT_MASK(64));
	if (!ret)
		ret = misc_register(&dbc_misc);
	if (ret)
		platform_device_unregister(device);
	return ret;
}
late_initcall(dbc_init);
