#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docs/configure.md is what the code says. UPDATE=1 writes it anew: read the difference before you commit it.
bats_require_minimum_version 1.5.0

TREE=$BATS_TEST_DIRNAME/../..
SECTIONS="network sandbox secrets install"

reference() {
	local section
	cat "$TREE/deploy/manual/configure.md"
	for section in $SECTIONS; do
		echo
		"$HOLDFAST_BUILD/manual/print_$section"
	done
}

# keys_of SECTION: as the program itself prints them for a person's file
keys_of() {
	case $1 in
	network) "$HOLDFAST_BUILD/bin/holdfast-net" agent --print-config ;;
	sandbox) "$HOLDFAST_BUILD/bin/containerd-shim-holdfast-v2" route --print-config ;;
	secrets) "$HOLDFAST_BUILD/bin/holdfast-tpm" serve --print-config ;;
	install) "$HOLDFAST_BUILD/bin/holdfast-node" install --print-config ;;
	esac | sed -nE 's/^ *#?([a-zA-Z]+):.*/\1/p'
}

@test "docs/configure.md is what the code says" {
	[[ ! ${UPDATE:-} ]] || reference >"$TREE/docs/configure.md"
	reference | diff "$TREE/docs/configure.md" - || { echo "UPDATE=1 $BATS_TEST_FILENAME writes it"; return 1; }
}

@test "every key has a kind of value and a meaning, and every table four columns" {
	local section
	for section in $SECTIONS; do
		"$HOLDFAST_BUILD/manual/print_$section" | tail -n +5 | sed 's,\\|,-,g' |
			awk -F ' [|] ' '{ sub(/^[|] /, ""); sub(/ [|]$/, "") } NF != 4 || $2 == "" || $4 == "" { print "bad: " $0; bad = 1 } END { exit bad }'
	done
}

@test "a key stands there if a program prints it, and only then" {
	local section
	for section in $SECTIONS; do
		diff <("$HOLDFAST_BUILD/manual/print_$section" | sed -nE 's/^[|] `([^`]*)`.*/\1/p' | tr . '\n' | sort -u) \
			<(keys_of "$section" | grep -vx "$section" | sort -u)
	done
}

@test "the example of docs/configure.md is taken by every program" {
	sed -n '/^```yaml/,/^```/{/^```/d;p}' "$TREE/docs/configure.md" >"$BATS_TEST_TMPDIR/holdfast.yaml"
	grep -q podWait "$BATS_TEST_TMPDIR/holdfast.yaml"
	mkdir -p "$BATS_TEST_TMPDIR/host/etc/containerd"
	"$HOLDFAST_BUILD/bin/holdfast-node" containerd-config --root "$BATS_TEST_TMPDIR" --settings /holdfast.yaml --version 2.1.0
	local program
	for program in "holdfast-net agent" "holdfast-tpm serve"; do
		run timeout 20 "$HOLDFAST_BUILD"/bin/$program --config "$BATS_TEST_TMPDIR/holdfast.yaml"
		echo "$output"
		[[ $status == 1 && $output == *"source is missing"* ]]
	done
}
