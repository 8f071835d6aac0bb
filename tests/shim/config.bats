#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What holdfast-node containerd-config makes of the configurations that this containerd prints itself, as this containerd reads it. Which
# layouts there are, and what is refused, is tests/unit/containerd_config.bats.
bats_require_minimum_version 1.5.0
load lib

setup() {
	CONFIG=$BATS_TEST_TMPDIR/config.toml
	VERSION=$("$NODE/bin/containerd" --version | cut -d ' ' -f 3)
}

config() { "$NODE/prefix/bin/holdfast-node" containerd-config --layout plain --config "$CONFIG" --version "$VERSION" "$@"; }

# What containerd has read, but for the names of the files and what is not set: no options mean the same as options that say nothing.
dump() {
	"$NODE/bin/containerd" --config "$CONFIG" config dump 2>/dev/null |
		grep -vE "^imports|= (\"\"|''|0|false|\[\])\$|options\]\$|sandbox_mode = \"podsandbox\"|sandboxer = 'podsandbox'"
}

# The tables of runtimes NAME… and their options, out of a dump.
without() { awk -v names="$1" 'BEGIN { split(names, n, " ") } /^ *\[/ { ours = 0; for (i in n) if (index($0, "runtimes." n[i])) ours = 1 } !ours && NF'; }

# comes_and_goes [OPTION …]: containerd reads what it read before, and our handlers; afterwards every byte is as it was.
comes_and_goes() {
	cp "$CONFIG" "$BATS_TEST_TMPDIR/before.toml"
	dump >"$BATS_TEST_TMPDIR/before"
	config "$@" --apply
	dump >"$BATS_TEST_TMPDIR/after"
	grep -q 'runtimes.holdfast-kata\]' "$BATS_TEST_TMPDIR/after"
	grep -q 'runtimes.untrusted\]' "$BATS_TEST_TMPDIR/after"
	diff <(without 'nobody' <"$BATS_TEST_TMPDIR/before" | grep -v default_runtime_name) \
		<(without 'holdfast untrusted' <"$BATS_TEST_TMPDIR/after" | grep -v default_runtime_name)
	config --remove
	cmp "$CONFIG" "$BATS_TEST_TMPDIR/before.toml"
	[[ ! -e $BATS_TEST_TMPDIR/conf.d ]]
}

# A directory of this machine is imported by default from 2.2 on; what is there is not this test's.
printed() { "$NODE/bin/containerd" config "$1" 2>/dev/null | sed "s|/etc/containerd/conf.d|$BATS_TEST_TMPDIR/conf.d|" >"$CONFIG"; }

@test "the configuration that containerd prints as its default gets our handlers and loses nothing" {
	printed default
	comes_and_goes
}

@test "the configuration that containerd dumps, of a file that sets little, gets our handlers and loses nothing" {
	containerd_config >"$CONFIG"
	"$NODE/bin/containerd" --config "$CONFIG" config dump 2>/dev/null | grep -v '^imports' >"$BATS_TEST_TMPDIR/dumped"
	mv "$BATS_TEST_TMPDIR/dumped" "$CONFIG"
	comes_and_goes
}

@test "a configuration that sets nothing of runtimes keeps runc as containerd has it by itself" {
	[[ $SHIM_CONTAINERD == 2 ]] && echo 'version = 3' >"$CONFIG" || echo 'version = 2' >"$CONFIG"
	comes_and_goes
	comes_and_goes --default-runtime
	config --default-runtime --apply
	dump | grep -Eq "default_runtime_name = ['\"]holdfast['\"]"
}

@test "a containerd that has not read what was written is said to need a restart, and one that has is not" {
	[[ $SHIM_HANDLER != runc ]] || skip "this node has nothing of ours in its configuration"
	local check=("$NODE/prefix/bin/holdfast-node" containerd-config --config "$NODE/containerd.toml" --version "$VERSION"
		--shims "$NODE/prefix/bin" --check)
	is_vm || check+=(--default-runtime)
	touch "$NODE/containerd.toml"
	run ! in_node "${check[@]}"
	[[ $output == *"containerd must read it: systemctl restart containerd"* ]]
	containerd_end
	containerd_start
	run -0 in_node "${check[@]}"
	[[ $output == *"all of it is written"* ]]
}
