#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is in the guest of arm64. tests/run arm64 boots it besides, by the same code as the shim's (tests/vm/test_guest_boot).
bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	guest=$(kata-shim/guest/build --arch arm64) || return
	export guest root=$BATS_FILE_TMPDIR/root
	mkdir "$root"
	zstd -qdc "$guest/initramfs.zst" | (cd "$root" && cpio --quiet -id)
}

setup() { cd "$BATS_TEST_DIRNAME/../.." || return; }

@test "everything in it is arm64's" {
	local file n=0
	while read -r file; do
		[[ $(head -c 4 "$file" | tr -d '\0') == $'\x7fELF' ]] || continue
		readelf -h "$file" | grep -q 'Machine: *AArch64'
		n=$((n + 1))
	done < <(find "$root" -type f)
	((n > 20))
	[[ $(dd if="$guest/vmlinuz" bs=1 skip=56 count=4 status=none) == ARMd ]]
	[[ $(jq -r .architecture "$guest/guest.json") == arm64 ]]
}

@test "crun finds all its libraries in there" {
	qemu-aarch64-static "$root/lib/ld-linux-aarch64.so.1" --library-path "$root/usr/lib/aarch64-linux-gnu" --list "$root/usr/bin/crun" | grep libyajl
}

@test "an agent of another processor is refused" {
	run -1 kata-shim/guest/build --arch arm64 --agent "$HOLDFAST_BUILD/bin/holdfast-guest"
	[[ $output == *"is no program for arm64"* ]]
}
