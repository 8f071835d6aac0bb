# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For setup_file: what all that is shipped is linked with.
need_lean_libraries() {
	local status=0
	"$BATS_TEST_DIRNAME/../../cmake/lean-libraries" >&3 2>&3 || status=$?
	((status != 75)) || skip "the sources of the lean libraries cannot be had now"
	return "$status"
}
