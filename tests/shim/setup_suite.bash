# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# One node with one containerd, and one handler for all pods of all files of one call of bats:
#
#   SHIM_CONTAINERD=1.6|1.7|2 SHIM_HANDLER=runc|holdfast|holdfast-kata HOLDFAST_BUILD=build/dev bats tests/shim[/FILE.bats]
#
# runc is containerd's own shim, called without us: what it does is what every other handler must do. holdfast is ours as the default runtime,
# which runs all of these pods by runc; holdfast-kata, named by each pod as a RuntimeClass does, gives each a VM.

. "${BASH_SOURCE[0]%/*}/lib.bash"

setup_suite() {
	[[ $EUID -eq 0 ]] || { echo "the tests of the shim need root" >&2; return 1; }
	# Not below /tmp: the programs in it are run, and the sockets' paths must stay short.
	NODE=$(mktemp -d /var/tmp/holdfast-shim.XXXXXX)
	export NODE SHIM_CONTAINERD=${SHIM_CONTAINERD:-2} SHIM_HANDLER=${SHIM_HANDLER:-holdfast}
	export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-$(is_vm && echo 300 || echo 120)}
	! is_vm || export PATIENCE=${PATIENCE:-60}
	node_install || return
	node_up || { cat "$NODE"/log/*; return 1; }
	containerd_start && images_import && node_remember || { tail -n 25 "$NODE/log/containerd"; return 1; }
}

teardown_suite() {
	[[ -d ${NODE:-} ]] || return 0
	node_down
	rm -rf "$NODE"
}
