#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The manual pages, made of what the programs say of themselves.
bats_require_minimum_version 1.5.0

PAGES="holdfast-net.8 holdfast-tpm.8 holdfast-node.8 containerd-shim-holdfast-v2.8 kubectl-holdfast.1 holdfast.yaml.5"

setup() {
	PATH=$HOLDFAST_BUILD/bin:$PATH
	BUILT=$HOLDFAST_BUILD/deploy/manual
}

# page NAME: as a person reads it, in one line
page() { groff -K utf8 -man -ww -T utf8 -P -c -P -b -P -u -rLL=2000n "$BUILT/$1" | tr -s ' \n' ' '; }

# commands PROGRAM
commands() {
	if [[ $1 == containerd-shim-holdfast-v2 ]]; then printf '%s\n' route self-test; return; fi
	"$1" __complete '' | grep -v ^: | cut -f 1 | grep -vx version
}

@test "groff takes every page without a warning, for a terminal and for paper" {
	command -v groff >/dev/null || skip "groff is missing: tests/install-deps"
	local page device
	for page in $PAGES; do
		for device in utf8 ascii ps; do
			run groff -K utf8 -man -ww -z -T $device "$BUILT/$page"
			[[ $status == 0 && ! $output ]] || { echo "$page for $device: $output"; return 1; }
		done
	done
}

@test "every command of every program says what it takes with --help, and its page says the same" {
	command -v groff >/dev/null || skip "groff is missing: tests/install-deps"
	local program command word page
	set -f # words of a usage are no patterns
	for page in $PAGES; do
		program=${page%.*}
		[[ $program != holdfast.yaml ]] || continue
		page=$(page "$page")
		for command in $(commands "$program"); do
			run --separate-stderr timeout 10 "$program" "$command" --help
			[[ $status == 0 && ! $stderr && $output == usage:* ]] || { echo "$program $command --help: $status: $stderr"; return 1; }
			for word in $output; do
				[[ $page == *"${word#usage:}"* ]] || { echo "$program $command: not in the page: $word"; return 1; }
			done
		done
	done
}

@test "holdfast.yaml(5) has every key with its meaning" {
	command -v groff >/dev/null || skip "groff is missing: tests/install-deps"
	local page section key n=0
	page=$(page holdfast.yaml.5)
	for section in network sandbox secrets install; do
		[[ $page == *" ${section^^} "* ]]
		while read -r key; do
			[[ $page == *" $key ("* ]] || { echo "$key is missing"; return 1; }
			((++n))
		done < <("$HOLDFAST_BUILD/manual/print_$section" | sed -nE 's/^[|] `([^`]*)`.*/\1/p')
	done
	((n > 50))
}

@test "the pages are installed where man looks for them" {
	local page
	DESTDIR=$BATS_TEST_TMPDIR cmake --install "$HOLDFAST_BUILD" --prefix /p >/dev/null
	for page in $PAGES; do [[ -s $BATS_TEST_TMPDIR/p/share/man/man${page##*.}/$page ]]; done
	! command -v man >/dev/null || man -l "$BATS_TEST_TMPDIR/p/share/man/man8/holdfast-net.8" | grep -q 'holdfast-net drops --follow'
}
