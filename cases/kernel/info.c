// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the uAPI header of the tree under test says about DERIVE.
 *
 * derive.h is generated for each tree. It names the structure if that has
 * members called flags and fd; otherwise the offsets are reported as unknown.
 */

#include <linux/stddef.h>
#include <uapi/linux/dma-buf.h>

#include "derive.h"
#include "internal.h"

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
	if (dbc_stall_possible())
		info->features |= DBC_FEATURE_STALL;

#ifdef DMA_BUF_IOCTL_DERIVE
	info->features |= DBC_FEATURE_DERIVE;
	info->derive_cmd = DMA_BUF_IOCTL_DERIVE;
	info->derive_size = _IOC_SIZE(DMA_BUF_IOCTL_DERIVE);
#endif
#ifdef DBC_DERIVE_STRUCT
	info->features |= DBC_FEATURE_STRUCT;
	info->derive_size = sizeof(DBC_DERIVE_STRUCT);
	info->flags_offset = offsetof(DBC_DERIVE_STRUCT, flags);
	info->flags_size = sizeof_field(DBC_DERIVE_STRUCT, flags);
	info->fd_offset = offsetof(DBC_DERIVE_STRUCT, fd);
	info->fd_size = sizeof_field(DBC_DERIVE_STRUCT, fd);
#endif
	return 0;
}
