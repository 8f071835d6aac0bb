#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What kata-shim/guest/build makes.
bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	export agent=${HOLDFAST_BUILD:?}/bin/holdfast-guest
	guest=$(kata-shim/guest/build --agent "$agent") || return
	export guest
}

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	# shellcheck source=tests/vm/guest.bash
	. tests/vm/guest.bash
}

teardown() { end_guest; }

# Another cache with the same packages, another umask, another time, another path.
@test "the same packages and agent give the same bytes" {
	local cache=$BATS_TEST_TMPDIR/elsewhere
	mkdir -p "$cache/guest"
	ln -s "$(readlink -f "$guest/../packages")" "$cache/guest/packages"
	cp "$agent" "$BATS_TEST_TMPDIR/an-agent"
	(umask 077 && HOLDFAST_CACHE=$cache kata-shim/guest/build --agent "$BATS_TEST_TMPDIR/an-agent" --output "$BATS_TEST_TMPDIR/out")
	local file
	for file in vmlinuz initramfs.zst guest.json; do
		cmp "$guest/$file" "$BATS_TEST_TMPDIR/out/$file"
	done
}

@test "the initial file system is at most 8 MiB, and all in it is root's" {
	(($(stat -c %s "$guest/initramfs.zst") <= 8 << 20))
	zstd -qdc "$guest/initramfs.zst" | cpio --quiet -tvn >"$BATS_TEST_TMPDIR/list"
	(($(wc -l <"$BATS_TEST_TMPDIR/list") > 30))
	awk '$3 != 0 || $4 != 0' "$BATS_TEST_TMPDIR/list" | tee "$BATS_TEST_TMPDIR/others"
	[[ ! -s $BATS_TEST_TMPDIR/others ]]
}

@test "the manifest names each file, its size and hash, and each package's version" {
	local part
	for part in kernel initrd; do
		local file
		file=$guest/$(jq -r ".$part.file" "$guest/guest.json")
		[[ $(jq -r ".$part.sha256" "$guest/guest.json") == "$(sha256sum "$file" | cut -d ' ' -f 1)" ]]
		[[ $(jq -r ".$part.size" "$guest/guest.json") == "$(stat -c %s "$file")" ]]
	done
	[[ $(jq -r .architecture "$guest/guest.json") == amd64 ]]
	[[ $(jq -r '.packages | has("crun") and has("libc6")' "$guest/guest.json") == true ]]
	[[ $(jq -r '.packages | to_entries | map(select(.value == null or .value == "")) | length' "$guest/guest.json") == 0 ]]
}

# In QEMU's own memory it would cost each VM its 14 MB.
@test "all VMs share the pages of the kernel's file" {
	boot "$guest" ignore_loglevel
	until [[ -s $BATS_TEST_TMPDIR/console ]]; do kill -0 "$qemu"; done
	grep "$guest/vmlinuz" "/proc/$qemu/maps"
}

# Only the kernel's decompressor does that.
@test "the kernel chooses by chance where in memory it lies" {
	boot "$guest" rdinit=/nothing
	wait "$qemu"
	grep -a '^.*Kernel Offset: 0x' "$BATS_TEST_TMPDIR/console"
}

@test "crun finds all its libraries in there" {
	mkdir "$BATS_TEST_TMPDIR/root"
	cd "$BATS_TEST_TMPDIR/root"
	zstd -qdc "$guest/initramfs.zst" | cpio --quiet -id
	unshare --mount sh -c 'mount -t proc proc proc && chroot . /usr/bin/crun --version' | grep -q '^crun version'
}

@test "the cache keeps what has been asked for within a day" {
	local cache=$BATS_TEST_TMPDIR/elsewhere kept
	mkdir -p "$cache/guest/guest-0123456789ab"
	touch -d '2 days ago' "$cache/guest/guest-0123456789ab"
	ln -s "$(readlink -f "$guest/../packages")" "$cache/guest/packages"
	cp -r "$guest" "$cache/guest"
	touch -d '2 days ago' "$cache/guest/${guest##*/}"
	kept=$(HOLDFAST_CACHE=$cache kata-shim/guest/build --agent "$agent")
	[[ $kept == "$cache/guest/${guest##*/}" ]]
	[[ -e $kept/guest.json && ! -e $cache/guest/guest-0123456789ab ]]
}

@test "an agent that is not static is refused" {
	run -1 kata-shim/guest/build --agent "$(command -v cmp)" --output "$BATS_TEST_TMPDIR/none"
	[[ $output == *"is not static"* ]]
	run -1 kata-shim/guest/build --agent /nowhere --output "$BATS_TEST_TMPDIR/none"
	[[ $output == *"/nowhere is not built"* ]]
	[[ ! -e $BATS_TEST_TMPDIR/none ]]
}
