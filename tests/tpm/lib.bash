# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Each test has a software TPM, in a network namespace of its own, and a file `pw` to seal.

setup() { lib_setup; }
teardown() { lib_teardown; }

lib_setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	NETNS=hf-tpm-$BATS_TEST_NUMBER-$$
	ip netns add "$NETNS"
	in_net ip link set lo up
	new_tpm
	printf 's3cret' >pw
}

# A chip from the factory, in place of the one that was there.
new_tpm() {
	rm -rf tpm && mkdir tpm
	swtpm_setup --tpm2 --tpmstate tpm --logfile setup.log >/dev/null
	start_tpm
}

# swtpm leaves for / when it becomes a daemon.
start_tpm() {
	in_net swtpm socket --tpm2 --tpmstate "dir=$PWD/tpm" --server type=tcp,port=2321,bindaddr=127.0.0.1 \
		--ctrl type=tcp,port=2322,bindaddr=127.0.0.1 --flags not-need-init --daemon --pid "file=$PWD/swtpm.pid"
}

stop_tpm() {
	[[ -f swtpm.pid ]] || return 0
	local pid
	pid=$(cat swtpm.pid)
	kill "$pid"
	while kill -0 "$pid" 2>/dev/null; do :; done
	rm -f swtpm.pid
}

lib_teardown() {
	stop_tpm
	ip netns delete "$NETNS"
}

in_net() { ip netns exec "$NETNS" "$@"; }
tpm() { in_net "$HOLDFAST_BUILD/bin/holdfast-tpm" "$@"; }
on_node() { tpm "$@" --tcti swtpm:host=127.0.0.1,port=2321 --state-dir state; }
seal() { tpm seal "$@"; }
tools() { in_net env TPM2TOOLS_TCTI=swtpm:host=127.0.0.1,port=2321 sh -ec "$1"; }
# Opens the secret on standard input with Holdfast's own code: "key …" and a line for each file.
unseal() { in_net "$HOLDFAST_BUILD/tests/support/unseal" swtpm:host=127.0.0.1,port=2321 state "$@"; }

# refused STATUS TEXT COMMAND...
refused() {
	local code=$1 text=$2
	shift 2
	run "$@"
	echo "$output"
	[[ $status == "$code" && $output == *"$text"* ]]
}
