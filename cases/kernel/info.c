// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tree that was built says about DERIVE in its own uAPI header. The
 * series under test may be unknown to the authors of the suite.
 */

#include <uapi/linux/dma-buf.h>

#include "internal.h"
#include "derive.h"

int dbc_info(struct dbc_context *context, void *arg)
{
	struct dbc_info *info = arg;

	*info = (struct dbc_info) {
		.abi = DBC_ABI_VERSION,
		.linux_version = LINUX_VERSION_CODE,
		.derive_size = DBC_UNKNOWN,
		.flags_offset = DBC_UNKNOWN,
		.flags_size = DBC_UNKNOWN,
		.fd_offset = DBC_UNKNOWN,
		.fd_size = DBC_UNKNOWN,
	};
	if (dbc_list_found())
		info->features |= DBC_FEATURE_LIST;
	if (dbc_list_lock_found())
		info->features |= DBC_FEATURE_LIST_LOCK;
	if (dbc_stall_possible())
		info->features |= DBC_FEATURE_STALL;

#ifdef DMA_BUF_IOCTL_DERIVE
	info->features |= DBC_FEATURE_DERIVE | DBC_FEATURE_STRUCT;
	info->derive_cmd = dbc_derive_cmd;
	info->derive_size = DBC_DERIVE_SIZE;
	info->flags_offset = DBC_FLAGS_OFFSET;
	info->flags_size = DBC_FLAGS_SIZE;
	info->fd_offset = DBC_FD_OFFSET;
	info->fd_size = DBC_FD_SIZE;
#endif
	return 0;
}
