# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# One node with one containerd, whose default runtime is one handler, for all files of one call of bats:
#
#   SHIM_CONTAINERD=1.6|1.7|2 SHIM_HANDLER=runc|holdfast HOLDFAST_BUILD=build/dev bats tests/shim[/FILE.bats]
#
# runc is containerd's own shim, called without us: what it does is what every other handler must do.

. "${BASH_SOURCE[0]%/*}/lib.bash"

setup_suite() {
	[[ $EUID -eq 0 ]] || { echo "the tests of the shim need root" >&2; return 1; }
	# Not below /tmp: the programs in it are run, and the sockets' paths must stay short.
	NODE=$(mktemp -d /var/tmp/holdfast-shim.XXXXXX)
	export NODE SHIM_CONTAINERD=${SHIM_CONTAINERD:-2} SHIM_HANDLER=${SHIM_HANDLER:-holdfast}
	export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-120}
	node_install || return
	node_up || { cat "$NODE"/log/*; return 1; }
	containerd_start && images_import && node_remember || { tail -n 25 "$NODE/log/containerd"; return 1; }
}

teardown_suite() {
	[[ -d ${NODE:-} ]] || return 0
	node_down
	rm -rf "$NODE"
}
