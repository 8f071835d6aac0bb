#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# holdfast-node self-test, with programs of our own: what they say is what it says, and what they do not say has failed.

bats_require_minimum_version 1.5.0

setup() {
	PATH=$HOLDFAST_BUILD/bin:$PATH
	cd "$BATS_TEST_TMPDIR"
	for program in holdfast-net holdfast-tpm containerd-shim-holdfast-v2; do
		program "$program" <<<'echo "{\"findings\":[{\"check\":\"x\",\"level\":\"ok\",\"cause\":\"seen by $0 $*\",\"cure\":\"\"}]}"'
	done
}

# program NAME: standard input as a shell's script
program() {
	{ echo '#!/bin/bash'; cat; } >"$1"
	chmod +x "$1"
}

self_test() { holdfast-node self-test --programs "$BATS_TEST_TMPDIR" "$@"; }

@test "all parts are tested, each by its program" {
	run -0 self_test
	[[ ${lines[0]} == "ok    network           seen by $PWD/holdfast-net self-test -o json" ]]
	[[ ${lines[1]} == "ok    vm                seen by $PWD/containerd-shim-holdfast-v2 self-test -o json" ]]
	[[ ${lines[2]} == "ok    tpm               seen by $PWD/holdfast-tpm self-test -o json" ]]
	run -0 self_test tpm network -o json
	[[ $(jq -r '.findings | map(.check) | join(" ")' <<<"$output") == "network tpm" ]]
}

@test "what fails is said with its cure, and the others are said nevertheless" {
	program holdfast-net <<<'echo "{\"findings\":[{\"check\":\"x\",\"level\":\"fail\",\"cause\":\"no packet\",\"cure\":\"mend\"}]}"; exit 2'
	run -2 self_test
	[[ ${lines[0]} == "FAIL  network           no packet" && ${lines[1]} == *"→ mend" && ${lines[2]} == "ok    vm "* ]]
}

@test "a program that is not there, ends by a signal, says nothing, something else, or too much has failed" {
	local text
	while IFS='|' read -r script text; do
		program holdfast-tpm <<<"$script"
		run -2 self_test tpm
		[[ $output == "FAIL  tpm "*"$text"* ]] || { echo "$script: $output"; return 1; }
	done <<-'END'
	kill -SEGV $$|holdfast-tpm self-test was ended by signal 11
	exit 0|holdfast-tpm self-test ends with 0 and does not say what came of it
	echo "usage: holdfast-tpm"; exit 3|ends with 3 and does not say
	head -c 100000 /dev/zero|does not say what came of it: the output
	END
	rm holdfast-tpm
	run -2 self_test tpm
	[[ $output == "FAIL  tpm "*"cannot run holdfast-tpm self-test: no such file or directory"*"→ install it"* ]]
}

@test "with --root the VM's self-test is the node's own, in the node's root" {
	((EUID == 0)) || skip "needs root"
	mkdir -p node/{opt/holdfast/bin,bin,lib,lib64,usr,proc}
	mv containerd-shim-holdfast-v2 node/opt/holdfast/bin
	touch node/here
	program node/opt/holdfast/bin/containerd-shim-holdfast-v2 <<<'[[ -e /here && $(</proc/$$/comm) == containerd-shim* ]] && unshare -U true &&
		echo "{\"findings\":[{\"check\":\"x\",\"level\":\"ok\",\"cause\":\"in there\",\"cure\":\"\"}]}"'
	in_container >said || true
	jq -re '.findings | map(.cause) | join("|")' said | grep -E '^seen by .*holdfast-net self-test -o json\|in there\|seen by'
	rm node/opt/holdfast/bin/containerd-shim-holdfast-v2
	in_container >said 2>/dev/null || true
	jq -re '.findings[1] | .cause + .cure' said | grep -Fx 'the node has no containerd-shim-holdfast-v2 that can be run in /opt/holdfast/bininstall it: holdfast-node install'
}
in_container() {
	unshare -m -p -f bash -c '
		mount --bind node node && cd "$PWD" && for d in bin lib lib64 usr; do mount --rbind "/$d" "node/$d"; done
		exec "$0" self-test --programs "$PWD" --root "$PWD/node" -o json' "$(command -v holdfast-node)"
}

@test "an unknown part, format or option is refused" {
	run -3 self_test disk
	[[ $output == *'there is no part "disk": network, vm or tpm'* ]]
	run -3 self_test -o yaml
	run -3 self_test --fast
	run -0 self_test --help
}
