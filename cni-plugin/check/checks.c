// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/check/checks.h"
#include "common/base/array.h"

const struct checkup_row checks[] = {
	{ "nftables", check_nftables, true },       { "drop-log", check_drop_log, true },
	{ "spoofing", check_spoofing, true },       { "conntrack-reader", check_conntrack_reader, true },
	{ "forwarding", check_forwarding },         { "reverse-path", check_reverse_path },
	{ "conntrack-size", check_conntrack_size }, { "tcp-pickup", check_tcp_pickup },
	{ "address-wait", check_address_wait },     { "cni-chain", check_cni_chain },
	{ "cni-executable", check_cni_executable }, { "bridge", check_bridge },
	{ "other-engines", check_other_engines },   { "kube-proxy", check_kube_proxy },
	{ "configuration", check_configuration },   { "directories", check_directories },
	{ "clock", checkup_clock, true },           { "agent", check_agent, true },
};

const size_t n_checks = ELEMENTS_OF(checks);
