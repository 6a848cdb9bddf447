/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The request of this tree's own header, and where the members of its argument
 * are, whatever the structure is called.
 *
 * To be included last: from here on a request is the type of its argument. If
 * the type has no members flags and fd, this file does not compile, and the
 * harness reports it as a fault of the series.
 */

#ifdef DMA_BUF_IOCTL_DERIVE
static const __u32 dbc_derive_cmd = DMA_BUF_IOCTL_DERIVE;

#undef _IO
#undef _IOR
#undef _IOW
#undef _IOWR
#define _IO(type, nr)		void
#define _IOR(type, nr, arg)	arg
#define _IOW(type, nr, arg)	arg
#define _IOWR(type, nr, arg)	arg

/* offsetof() would put the error into the header that defines it. */
enum {
	DBC_DERIVE_SIZE = sizeof(DMA_BUF_IOCTL_DERIVE),
	DBC_FLAGS_OFFSET = __builtin_offsetof(DMA_BUF_IOCTL_DERIVE, flags),
	DBC_FLAGS_SIZE = sizeof(((DMA_BUF_IOCTL_DERIVE *)0)->flags),
	DBC_FD_OFFSET = __builtin_offsetof(DMA_BUF_IOCTL_DERIVE, fd),
	DBC_FD_SIZE = sizeof(((DMA_BUF_IOCTL_DERIVE *)0)->fd),
};
#endif
