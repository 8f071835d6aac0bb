// SPDX-License-Identifier: Apache-2.0
/*
 * What is allowed to every daemon. Found by tracing them through all their tests; beyond that a row is here because glibc, libuv, libcurl
 * or OpenSSL choose it on another architecture, version or occasion. What matters is what is not here: no program is started, no process
 * made, nobody traced or signalled, nothing mounted, no namespace entered or made, no module, BPF program or kernel keyring touched, no
 * owner or device node changed, no memory both writable and executable.
 */
#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/base/array.h"
#include "common/sandbox/sandbox.h"

#define NEW_NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

#define NOT_EXECUTABLE 2, PROT_EXEC, 0
#define NOT_WRITABLE 2, PROT_WRITE, 0

/* F_DUPFD to F_SETLKW. The next are F_SETOWN and F_SETSIG: they have the kernel send any signal to any process of root's. */
#define FCNTL_PLAIN 1, UINT64_C(0xfffffff8), 0

const struct sandbox_call sandbox_base_calls[] = {
	/* memory; executable, and then never writable, is what glibc's resolver loads */
	{ "brk" },
	{ "mmap", 1, { { NOT_EXECUTABLE } } },
	{ "mmap", 1, { { NOT_WRITABLE } } },
	{ "mmap2", 1, { { NOT_EXECUTABLE } } },
	{ "mmap2", 1, { { NOT_WRITABLE } } },
	{ "mprotect", 1, { { NOT_EXECUTABLE } } },
	{ "munmap" },
	{ "mremap" },
	{ "madvise" },

	/* threads, not processes */
	{ "clone", 1, { { 0, CLONE_THREAD | NEW_NAMESPACES, CLONE_THREAD } } },
	{ "set_robust_list" },
	{ "rseq" },
	{ "futex" },
	{ "futex_time64" },
	{ "sched_yield" },
	{ "sched_getaffinity" },
	{ "membarrier" },
	{ "getpid" },
	{ "gettid" },
	{ "prctl", 1, { { SANDBOX_IS(0, PR_SET_NAME) } } },
	{ "exit" },
	{ "exit_group" },

	/* signals */
	{ "rt_sigaction" },
	{ "rt_sigprocmask" },
	{ "rt_sigreturn" },
	{ "sigreturn" },
	{ "sigaltstack" },
	{ "restart_syscall" },

	/* files */
	{ "open" },
	{ "openat" },
	{ "close" },
	{ "close_range" },
	{ "read" },
	{ "readv" },
	{ "pread64" },
	{ "write" },
	{ "writev" },
	{ "pwrite64" },
	{ "lseek" },
	{ "_llseek" },
	{ "stat" },
	{ "stat64" },
	{ "lstat" },
	{ "lstat64" },
	{ "fstat" },
	{ "fstat64" },
	{ "newfstatat" },
	{ "fstatat64" },
	{ "statx" },
	{ "statfs" },
	{ "statfs64" },
	{ "fstatfs" },
	{ "fstatfs64" },
	{ "access" },
	{ "faccessat" },
	{ "faccessat2" },
	{ "readlink" },
	{ "readlinkat" },
	{ "getcwd" },
	{ "getdents64" },
	{ "rename" },
	{ "renameat" },
	{ "renameat2" },
	{ "unlink" },
	{ "unlinkat" },
	{ "mkdir" },
	{ "mkdirat" },
	{ "rmdir" },
	{ "fsync" },
	{ "fdatasync" },
	{ "ftruncate" },
	{ "ftruncate64" },
	{ "fadvise64" },
	{ "fadvise64_64" },
	{ "arm_fadvise64_64" },
	{ "fallocate" },
	{ "fchmod" },
	{ "fchmodat" },
	{ "umask" },
	{ "flock" },
	{ "fcntl", 1, { { FCNTL_PLAIN } } },
	{ "fcntl", 1, { { SANDBOX_IS(1, F_DUPFD_CLOEXEC) } } },
	{ "fcntl64", 1, { { FCNTL_PLAIN } } },
	{ "fcntl64", 1, { { SANDBOX_IS(1, F_DUPFD_CLOEXEC) } } },
	{ "dup" },
	{ "dup2" },
	{ "dup3" },
	{ "pipe" },
	{ "pipe2" },
	{ "inotify_init1" },
	{ "inotify_add_watch" },
	{ "inotify_rm_watch" },

	/* waiting */
	{ "epoll_create1" },
	{ "epoll_ctl" },
	{ "epoll_wait" },
	{ "epoll_pwait" },
	{ "epoll_pwait2" },
	{ "eventfd2" },
	{ "poll" },
	{ "ppoll" },
	{ "ppoll_time64" },
	{ "select" },
	{ "_newselect" },
	{ "pselect6" },
	{ "pselect6_time64" },
	{ "nanosleep" },
	{ "clock_nanosleep" },
	{ "clock_nanosleep_time64" },

	/* sockets; netlink's is for getaddrinfo and if_nametoindex */
	{ "socket", 1, { { SANDBOX_IS(0, AF_UNIX) } } },
	{ "socket", 1, { { SANDBOX_IS(0, AF_INET) } } },
	{ "socket", 1, { { SANDBOX_IS(0, AF_INET6) } } },
	{ "socket", 2, { { SANDBOX_IS(0, AF_NETLINK) }, { SANDBOX_IS(2, NETLINK_ROUTE) } } },
	{ "socketpair", 1, { { SANDBOX_IS(0, AF_UNIX) } } },
	{ "bind" },
	{ "connect" },
	{ "listen" },
	{ "accept" },
	{ "accept4" },
	{ "shutdown" },
	{ "getsockname" },
	{ "getpeername" },
	{ "getsockopt" },
	{ "setsockopt" },
	{ "recv" },
	{ "recvfrom" },
	{ "recvmsg" },
	{ "recvmmsg" },
	{ "recvmmsg_time64" },
	{ "send" },
	{ "sendto" },
	{ "sendmsg" },
	{ "sendmmsg" },

	/* descriptors: non-blocking, how much is there; is it a terminal; names of interfaces */
	{ "ioctl", 1, { { SANDBOX_IS(1, FIONBIO) } } },
	{ "ioctl", 1, { { SANDBOX_IS(1, FIONREAD) } } },
	{ "ioctl", 1, { { SANDBOX_IS(1, FIOCLEX) } } },
	{ "ioctl", 1, { { SANDBOX_IS(1, TCGETS) } } },
	{ "ioctl", 1, { { SANDBOX_IS(1, TIOCGWINSZ) } } },
	{ "ioctl", 1, { { SANDBOX_IS(1, SIOCGIFNAME) } } },
	{ "ioctl", 1, { { SANDBOX_IS(1, SIOCGIFINDEX) } } },

	/* time, randomness, and who and where one is */
	{ "clock_gettime" },
	{ "clock_gettime64" },
	{ "clock_getres" },
	{ "clock_getres_time64" },
	{ "gettimeofday" },
	{ "time" },
	{ "getrandom" },
	{ "getuid" },
	{ "getuid32" },
	{ "geteuid" },
	{ "geteuid32" },
	{ "getgid" },
	{ "getgid32" },
	{ "getegid" },
	{ "getegid32" },
	{ "getppid" },
	{ "uname" },
	{ "sysinfo" },
	{ "getrusage" },
	{ "getrlimit" },
	{ "ugetrlimit" },
	{ "prlimit64", 1, { { 2, UINT64_MAX, 0 } } }, /* to read, not to set */
};

const size_t sandbox_n_base_calls = ELEMENTS_OF(sandbox_base_calls);
