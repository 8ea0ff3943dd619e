/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the ring, and saying why the kernel refuses.
 *
 * The ring is created disabled and enabled by the loop thread, which so
 * becomes its only issuer (SINGLE_ISSUER), as DEFER_TASKRUN wants.
 */
#include "sentry/loop/loop_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_BASE (IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED)
#define RING_COOP (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG)

/* Best first; 6.1 knows all of them, so the rest is for odd kernels. */
static const unsigned ring_flags[] = {
    RING_BASE | RING_COOP | IORING_SETUP_SINGLE_ISSUER |
	IORING_SETUP_DEFER_TASKRUN,
    RING_BASE | RING_COOP | IORING_SETUP_SINGLE_ISSUER,
    RING_BASE | RING_COOP,
    RING_BASE,
};

static int ring_init(struct loop *l)
{
	int err = -EINVAL;

	for (size_t i = 0; i < sizeof(ring_flags) / sizeof(*ring_flags); i++) {
		struct io_uring_params p = {
		    .flags = ring_flags[i],
		    .cq_entries = LOOP_CQ_ENTRIES,
		};

		err = io_uring_queue_init_params(LOOP_SQ_ENTRIES, &l->ring, &p);
		if (err != -EINVAL)
			return err;
	}
	return err;
}

int ring_up(struct loop *l)
{
	const unsigned need = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG |
			      IORING_FEAT_SUBMIT_STABLE;
	int err = ring_init(l);

	if (err)
		return err == -EINVAL ? -ENOSYS : err;
	l->ring_up = true;
	if ((l->ring.features & need) != need)
		return -ENOSYS;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return l->wake_fd < 0 ? -errno : 0;
}

void ring_down(struct loop *l)
{
	if (l->ring_up)
		io_uring_queue_exit(&l->ring);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
}

int ring_adopt(struct loop *l)
{
	/* The shared library of liburing 2.3 forgot io_uring_enable_rings. */
	int err = io_uring_register((unsigned)l->ring.ring_fd,
				    IORING_REGISTER_ENABLE_RINGS, NULL, 0);

	if (err < 0)
		return err;
	/* Only saves an fget per call; its failure changes nothing. */
	(void)io_uring_register_ring_fd(&l->ring);
	return 0;
}

struct io_uring_sqe *ring_sqe(struct loop *l)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);

	if (sqe)
		return sqe;
	if (io_uring_submit(&l->ring) < 0)
		return NULL;
	return io_uring_get_sqe(&l->ring);
}

bool ring_all_taken(const struct loop *l)
{
	const struct io_uring_sq *sq = &l->ring.sq;

	/* LINUX: the head moves when a submission is over. */
	return io_uring_smp_load_acquire(sq->khead) == sq->sqe_tail;
}

/* The first byte of the sysctl, or 0. */
static char sysctl_io_uring_disabled(void)
{
	char c = 0;
	int fd =
	    open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c;
}

static const char *refusal_eperm(void)
{
	switch (sysctl_io_uring_disabled()) {
	case '2':
		return "io_uring is switched off on this host: as root, "
		       "sysctl kernel.io_uring_disabled=0";
	case '1':
		return "io_uring is for privileged users on this host: as "
		       "root, sysctl kernel.io_uring_disabled=0, or add "
		       "this user to the group in kernel.io_uring_group";
	default:
		return "io_uring is forbidden here, probably by the "
		       "container's seccomp profile: allow io_uring_setup, "
		       "io_uring_enter and io_uring_register "
		       "(docker: --security-opt seccomp=unconfined)";
	}
}

const char *loop_refusal(int err)
{
	switch (err < 0 ? -err : err) {
	case EPERM:
	case EACCES:
		return refusal_eperm();
	case ENOSYS:
	case EINVAL:
		return "this kernel has no io_uring that cordon can use: "
		       "Linux 6.1 or newer with CONFIG_IO_URING is needed "
		       "(or a container's seccomp profile hides it)";
	case ENOMEM:
		return "no memory for the io_uring: raise the limit of "
		       "locked memory (ulimit -l) or free some memory";
	case EMFILE:
	case ENFILE:
		return "no file descriptor left for the io_uring: raise "
		       "the limit of open files (ulimit -n)";
	default:
		return "the kernel refuses to set up an io_uring";
	}
}
