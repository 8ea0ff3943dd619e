/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ABI between packetdrill and the TCP/IP stack that it drives: one
 * struct of functions, which a shared object fills for packetdrill's
 * --so_filename and our own interpreter calls in the same way.  Names, types
 * and order of the members are the ABI and may not change; MEMBER ORDER IS
 * THE LAYOUT.
 *
 * Every function takes `userdata` first and behaves as the system call of
 * its name: on failure it returns -1 and sets errno.  A call that may block
 * is made from a second thread while the first goes on with packets and
 * time, so every function may be called from any thread.
 */
#ifndef CORDON_TESTS_PKT_PACKETDRILL_INTERFACE_H
#define CORDON_TESTS_PKT_PACKETDRILL_INTERFACE_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct packetdrill_interface {
	/* Given back to every function; owned by the implementer. */
	void *userdata;
	/* Releases `userdata` and all sockets.  No other call may run. */
	void (*free)(void *userdata);

	int (*socket)(void *userdata, int domain, int type, int protocol);
	int (*bind)(void *userdata, int sockfd, const struct sockaddr *addr,
		    socklen_t addrlen);
	int (*listen)(void *userdata, int sockfd, int backlog);
	int (*accept)(void *userdata, int sockfd, struct sockaddr *addr,
		      socklen_t *addrlen);
	int (*connect)(void *userdata, int sockfd, const struct sockaddr *addr,
		       socklen_t addrlen);

	ssize_t (*read)(void *userdata, int fd, void *buf, size_t count);
	ssize_t (*readv)(void *userdata, int fd, const struct iovec *iov,
			 int iovcnt);
	ssize_t (*recv)(void *userdata, int sockfd, void *buf, size_t len,
			int flags);
	ssize_t (*recvfrom)(void *userdata, int sockfd, void *buf, size_t len,
			    int flags, struct sockaddr *src_addr,
			    socklen_t *addrlen);
	ssize_t (*recvmsg)(void *userdata, int sockfd, struct msghdr *msg,
			   int flags);

	ssize_t (*write)(void *userdata, int fd, const void *buf, size_t count);
	ssize_t (*writev)(void *userdata, int fd, const struct iovec *iov,
			  int iovcnt);
	ssize_t (*send)(void *userdata, int sockfd, const void *buf, size_t len,
			int flags);
	ssize_t (*sendto)(void *userdata, int sockfd, const void *buf,
			  size_t len, int flags,
			  const struct sockaddr *dest_addr, socklen_t addrlen);
	ssize_t (*sendmsg)(void *userdata, int sockfd, const struct msghdr *msg,
			   int flags);

	int (*fcntl)(void *userdata, int fd, int cmd, ...);
	int (*ioctl)(void *userdata, int fd, unsigned long request, ...);
	int (*close)(void *userdata, int fd);
	int (*shutdown)(void *userdata, int sockfd, int how);
	int (*getsockopt)(void *userdata, int sockfd, int level, int optname,
			  void *optval, socklen_t *optlen);
	int (*setsockopt)(void *userdata, int sockfd, int level, int optname,
			  const void *optval, socklen_t optlen);
	/* timeout: milliseconds, -1 for ever. */
	int (*poll)(void *userdata, struct pollfd *fds, nfds_t nfds,
		    int timeout);

	/* One IP packet of `count` bytes arrives at the stack.  0 or -1. */
	int (*netdev_send)(void *userdata, const void *buf, size_t count);
	/*
	 * The next IP packet that leaves the stack: waits for it.  `count`
	 * is the room in `buf`, then the bytes put there (0: none came);
	 * `time_usecs` is when it left, on gettimeofday's clock.  0 or -1.
	 */
	int (*netdev_receive)(void *userdata, void *buf, size_t *count,
			      long long *time_usecs);

	int (*usleep)(void *userdata, useconds_t usec);
	int (*gettimeofday)(void *userdata, struct timeval *tv,
			    struct timezone *tz);

	int (*epoll_create)(void *userdata, int size);
	int (*epoll_ctl)(void *userdata, int epfd, int op, int fd,
			 struct epoll_event *event);
	int (*epoll_wait)(void *userdata, int epfd, struct epoll_event *events,
			  int maxevents, int timeout);
	int (*pipe)(void *userdata, int pipefd[2]);
	int (*splice)(void *userdata, int fd_in, loff_t *off_in, int fd_out,
		      loff_t *off_out, size_t len, unsigned int flags);
};

/* The type of the one symbol, "packetdrill_interface_init". */
typedef void (*packetdrill_interface_init_t)(const char *flags,
					     struct packetdrill_interface *out);

#endif /* CORDON_TESTS_PKT_PACKETDRILL_INTERFACE_H */
