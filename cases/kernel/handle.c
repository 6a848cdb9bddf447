// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handles: lookup and locking for a request, and the buffer reference that a
 * handle holds, from dma_buf_get() to dma_buf_put().
 */

#include <linux/slab.h>

#include "internal.h"

atomic_t dbc_handles;

static void dbc_handle_free(struct kref *refs)
{
	struct dbc_handle *handle = container_of(refs, struct dbc_handle, refs);

	if (handle->tracker)
		dbc_tracker_put(handle->tracker);
	mutex_destroy(&handle->lock);
	kfree(handle);
}

/*
 * Looks up and locks a handle for one request. A tracked buffer stays valid
 * until dbc_handle_unlock(), even if its reference count is wrong.
 */
struct dbc_handle *dbc_handle_lock(struct dbc_context *context, u32 id)
{
	struct dbc_handle *handle;
	int ret = -ENOENT;

	xa_lock(&context->handles);
	handle = xa_load(&context->handles, id);
	if (handle)
		kref_get(&handle->refs);
	xa_unlock(&context->handles);
	if (!handle)
		return ERR_PTR(-ENOENT);

	if (mutex_lock_interruptible(&handle->lock)) {
		kref_put(&handle->refs, dbc_handle_free);
		return ERR_PTR(-EINTR);
	}
	if (handle->dead)
		goto unlock;
	if (handle->tracker && !dbc_tracker_pin(handle->tracker)) {
		ret = -ESTALE;
		goto unlock;
	}
	return handle;

unlock:
	mutex_unlock(&handle->lock);
	kref_put(&handle->refs, dbc_handle_free);
	return ERR_PTR(ret);
}

void dbc_handle_unlock(struct dbc_handle *handle)
{
	if (handle->tracker && !handle->dead)
		dbc_tracker_unpin(handle->tracker);
	mutex_unlock(&handle->lock);
	kref_put(&handle->refs, dbc_handle_free);
}

int dbc_import(struct dbc_context *context, void *arg)
{
	struct dbc_import *import = arg;
	struct dbc_handle *handle;
	int ret;

	handle = kzalloc(sizeof(*handle), GFP_KERNEL);
	if (!handle)
		return -ENOMEM;
	kref_init(&handle->refs);
	/* A second reference: another thread may put the handle at once. */
	kref_get(&handle->refs);
	mutex_init(&handle->lock);
	/* Nobody may use the id before the handle is complete. */
	mutex_lock(&handle->lock);

	ret = xa_alloc(&context->handles, &import->handle, handle, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto drop;
	handle->dmabuf = dbc_get_access(import->fd, &handle->read_only);
	if (IS_ERR(handle->dmabuf)) {
		ret = PTR_ERR(handle->dmabuf);
		handle->dead = true;
		xa_erase(&context->handles, import->handle);
		goto drop;
	}
	handle->tracker = dbc_tracker_of(handle->dmabuf);
	atomic_inc(&dbc_handles);
	goto unlock;

drop:
	kref_put(&handle->refs, dbc_handle_free);
unlock:
	mutex_unlock(&handle->lock);
	kref_put(&handle->refs, dbc_handle_free);
	return ret;
}

/* Drops the buffer reference; the caller unlocks the handle. */
static void dbc_handle_put(struct dbc_handle *handle)
{
	/* Unpin first: the put may call release, which waits for pins. */
	if (handle->tracker)
		dbc_tracker_unpin(handle->tracker);
	handle->dead = true;
	dma_buf_put(handle->dmabuf);
	atomic_dec(&dbc_handles);
}

int dbc_put(struct dbc_context *context, void *arg)
{
	u32 id = *(u32 *)arg;
	struct dbc_handle *handle = dbc_handle_lock(context, id);
	int ret = 0;

	if (IS_ERR(handle))
		return PTR_ERR(handle);
	if (handle->attach || handle->vmapped || handle->cpu_access) {
		ret = -EBUSY;
	} else {
		xa_erase(&context->handles, id);
		dbc_handle_put(handle);
		kref_put(&handle->refs, dbc_handle_free);
	}
	dbc_handle_unlock(handle);
	return ret;
}

/* On close: nobody else uses the context. */
void dbc_release_handles(struct dbc_context *context)
{
	struct dbc_handle *handle;
	unsigned long id;

	xa_for_each(&context->handles, id, handle) {
		mutex_lock(&handle->lock);
		/*
		 * The buffer was already released: its attachments are
		 * gone and the reference must not be dropped.
		 */
		if (handle->tracker && !dbc_tracker_pin(handle->tracker)) {
			atomic_dec(&dbc_handles);
			handle->dead = true;
		} else {
			if (handle->cpu_access)
				dbc_step_end_cpu(handle);
			dbc_step_vunmap(handle);
			dbc_step_unmap(handle);
			dbc_step_detach(handle);
			dbc_handle_put(handle);
		}
		mutex_unlock(&handle->lock);
		kref_put(&handle->refs, dbc_handle_free);
	}
	xa_destroy(&context->handles);
}
