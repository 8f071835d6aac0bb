// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/check/checks.h"
#include "common/base/array.h"

static const struct {
	const char *name;
	void (*run)(struct checkup *checkup);
	bool live; /* asks the running kernel, not files */
} checks[] = {
	{ "nftables", check_nftables, true },
	{ "drop-log", check_drop_log, true },
	{ "spoofing", check_spoofing, true },
	{ "conntrack-reader", check_conntrack_reader, true },
	{ "forwarding", check_forwarding },
	{ "reverse-path", check_reverse_path },
	{ "conntrack-size", check_conntrack_size },
	{ "tcp-pickup", check_tcp_pickup },
	{ "address-wait", check_address_wait },
	{ "cni-chain", check_cni_chain },
	{ "cni-executable", check_cni_executable },
	{ "bridge", check_bridge },
	{ "other-engines", check_other_engines },
	{ "kube-proxy", check_kube_proxy },
	{ "configuration", check_configuration },
	{ "directories", check_directories },
	{ "clock", check_clock, true },
	{ "agent", check_agent, true },
};

enum checkup_level checkup_run(struct checkup *checkup)
{
	enum checkup_level worst = CHECKUP_OK;

	for (size_t i = 0; i < ELEMENTS_OF(checks); i++) {
		checkup->check = checks[i].name;
		if (!checks[i].live || checkup_is_live(checkup))
			checks[i].run(checkup);
	}
	for (const struct checkup_finding *at = checkup->first; at; at = at->next)
		worst = at->level > worst ? at->level : worst;
	return worst;
}
