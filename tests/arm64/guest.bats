#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The guest of arm64, as far as it goes: no shim boots it yet (docs/install.md#processors).
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
}

@test "crun finds all its libraries in there" {
	qemu-aarch64-static "$root/lib/ld-linux-aarch64.so.1" --library-path "$root/usr/lib/aarch64-linux-gnu" --list "$root/usr/bin/crun" | grep libyajl
}

@test "an agent of another processor is refused" {
	run -1 kata-shim/guest/build --arch arm64 --agent "$HOLDFAST_BUILD/bin/holdfast-guest"
	[[ $output == *"is no program for arm64"* ]]
}

# As the shim starts x86-64's, but for the machine and the console.
ask() {
	tests/arm64/ask_agent qemu-system-aarch64 -nodefaults -no-user-config -nographic -no-reboot -machine virt,memory-backend=ram -accel tcg,tb-size=64 -cpu max -m 384M \
		-object memory-backend-memfd,id=ram,size=384M,share=on -chardev "file,id=console,path=$BATS_TEST_TMPDIR/console" -serial chardev:console \
		-chardev socket,id=agent,fd=@agent@ -device virtio-serial-pci,max_ports=2 \
		-device virtserialport,chardev=agent,name=org.holdfast.agent -kernel "$guest/vmlinuz" -initrd "$guest/initramfs.zst" \
		-append "console=ttyAMA0 $(jq -r .commandLine "$guest/guest.json") holdfast.channel=port" \
		-object rng-builtin,id=random -device virtio-rng-pci,rng=random -device virtio-balloon-pci,id=balloon,free-page-reporting=on
}

@test "it boots on QEMU's machine virt, with a software CPU, and its agent answers" {
	ask >"$BATS_TEST_TMPDIR/answer" || { cat "$BATS_TEST_TMPDIR/console"; false; }
	[[ $(<"$BATS_TEST_TMPDIR/answer") == "agent $(jq -r .version "$guest/guest.json")" ]]
	grep "the guest's agent serves its host" "$BATS_TEST_TMPDIR/console"
}
