# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# One lab of two nodes with the main plugin ptp, and one set of pods, for all files of one bats call: a lab costs half a
# minute, a pod a second, and most tests differ only in their policies.
#
#   HOLDFAST_BUILD=build/dev bats tests/e2e[/FILE.bats]
#   E2E_WITHOUT_HOLDFAST=1 bats …    every test that denies something must fail
#   E2E_KEEP=1 bats …                leaves the lab up; a second call then starts at once

. "${BASH_SOURCE[0]%/*}/lib.bash"

setup_suite() {
	[[ $EUID -eq 0 ]] || { echo "the end-to-end tests need root" >&2; return 1; }
	lab_options
	export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-180}
	[[ ${E2E_KEEP:-} ]] || "$CLUSTER/down" --name "$LAB"
	build_knock
	"$CLUSTER/up" --name "$LAB" --nodes 2 --clean-on-failure "${LAB_OPTIONS[@]}" || return
	world 2 || { teardown_suite; return 1; }
}

teardown_suite() {
	[[ ! ${E2E_KEEP:-} ]] || return 0
	"$CLUSTER/down" --name "$LAB"
	rm -rf "$E2E_STATE"
}
