// SPDX-License-Identifier: GPL-2.0-only
/* Fences that a device would signal when it is done; here user space signals them. */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include "internal.h"

atomic_t dbc_fences;

struct dbc_fence {
	struct dma_fence base;
	spinlock_t lock;
};

static const char *dbc_fence_driver(struct dma_fence *fence)
{
	return DBC_FENCE_DRIVER;
}

static const char *dbc_fence_timeline(struct dma_fence *fence)
{
	return DBC_FENCE_TIMELINE;
}

static void dbc_fence_release(struct dma_fence *fence)
{
	struct dbc_fence *own = container_of(fence, struct dbc_fence, base);

	atomic_dec(&dbc_fences);
	kfree_rcu(own, base.rcu);
}

static const struct dma_fence_ops dbc_fence_ops = {
	.get_driver_name = dbc_fence_driver,
	.get_timeline_name = dbc_fence_timeline,
	.release = dbc_fence_release,
};

/* Numbers and publishes a fence. The caller holds the reservation lock. */
static int dbc_fence_create(struct dbc_context *context, struct dbc_add_fence *add,
			    struct dbc_fence *fence)
{
	u64 timeline = context->timeline, seqno = 1;
	int ret;

	if (add->flags & DBC_FENCE_OWN_TIMELINE)
		timeline = dma_fence_context_alloc(1);

	mutex_lock(&context->fence_lock);
	if (timeline == context->timeline)
		seqno = context->seqno + 1;
	spin_lock_init(&fence->lock);
	dma_fence_init(&fence->base, &dbc_fence_ops, &fence->lock, timeline, seqno);
	atomic_inc(&dbc_fences);
	ret = xa_alloc_cyclic(&context->fences, &add->fence, fence, xa_limit_31b,
			      &context->next_fence, GFP_KERNEL);
	if (ret >= 0 && timeline == context->timeline)
		context->seqno = seqno;
	mutex_unlock(&context->fence_lock);
	if (ret < 0)
		return ret;

	add->context = timeline;
	add->seqno = seqno;
	return 0;
}

int dbc_add_fence(struct dbc_context *context, void *arg)
{
	struct dbc_add_fence *add = arg;
	struct dbc_handle *handle;
	enum dma_resv_usage usage;
	struct dbc_fence *fence;
	struct dma_resv *resv;
	int ret;

	if (add->usage > DBC_USAGE_WRITE || (add->flags & ~DBC_FENCE_OWN_TIMELINE))
		return -EINVAL;
	usage = add->usage == DBC_USAGE_WRITE ? DMA_RESV_USAGE_WRITE : DMA_RESV_USAGE_READ;

	handle = dbc_handle_lock(context, add->handle);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	fence = kzalloc(sizeof(*fence), GFP_KERNEL);
	if (!fence) {
		ret = -ENOMEM;
		goto unlock;
	}

	resv = handle->dmabuf->resv;
	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret) {
		kfree(fence);
		ret = -EINTR;
		goto unlock;
	}
	ret = dma_resv_reserve_fences(resv, 1);
	if (ret) {
		kfree(fence);
	} else {
		ret = dbc_fence_create(context, add, fence);
		if (ret)
			dma_fence_put(&fence->base);
		else
			dma_resv_add_fence(resv, &fence->base, usage);
	}
	dma_resv_unlock(resv);
unlock:
	dbc_handle_unlock(handle);
	return ret;
}

/* The caller holds fence_lock, or is the only user of the context. */
static void dbc_fence_complete(struct dbc_context *context, u32 id,
			       struct dbc_fence *fence, int error)
{
	xa_erase(&context->fences, id);
	if (error)
		dma_fence_set_error(&fence->base, error);
	dma_fence_signal(&fence->base);
	dma_fence_put(&fence->base);
}

/* Fences of one timeline signal in the order of their numbers. */
static bool dbc_fence_is_next(struct dbc_context *context, struct dbc_fence *fence)
{
	struct dbc_fence *other;
	unsigned long id;

	xa_for_each(&context->fences, id, other) {
		if (other->base.context == fence->base.context &&
		    other->base.seqno < fence->base.seqno)
			return false;
	}
	return true;
}

int dbc_signal(struct dbc_context *context, void *arg)
{
	struct dbc_signal *signal = arg;
	struct dbc_fence *fence;
	int ret = 0;

	if (signal->error > 0 || signal->error < -MAX_ERRNO)
		return -EINVAL;

	mutex_lock(&context->fence_lock);
	fence = xa_load(&context->fences, signal->fence);
	if (!fence)
		ret = -ENOENT;
	else if (!dbc_fence_is_next(context, fence))
		ret = -EBUSY;
	else
		dbc_fence_complete(context, signal->fence, fence, signal->error);
	mutex_unlock(&context->fence_lock);
	return ret;
}

/* On close: otherwise the fences would stay pending forever. */
void dbc_cancel_fences(struct dbc_context *context)
{
	struct dbc_fence *fence;
	unsigned long id;

	xa_for_each(&context->fences, id, fence)
		dbc_fence_complete(context, id, fence, -ECANCELED);
	xa_destroy(&context->fences);
}
