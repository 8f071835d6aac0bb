/* SPDX-License-Identifier: Apache-2.0 */
/* The process that holds a pod's namespaces (image registry.k8s.io/pause) and, run on the machine itself, those of a
 * lab's node. It is process 1 there, so it must reap orphans, and it must end on SIGTERM, which process 1 ignores
 * unless it asks. Waiting with sigwaitinfo instead of in handlers leaves no window in which a child is missed. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

int main(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return EXIT_FAILURE;
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		int sig = sigwaitinfo(&set, NULL);
		if (sig == SIGTERM || sig == SIGINT)
			return EXIT_SUCCESS;
	}
}
