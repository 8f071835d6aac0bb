#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The images for arm64: they are arm64's and nothing else, and their programs run where there is nothing but them, on QEMU's emulation of the processor.
bats_require_minimum_version 1.5.0
load ../release/image

BUILD_IMAGE=$BATS_TEST_DIRNAME/../../deploy/image/build

setup_file() {
	export IMAGES=$BATS_FILE_TMPDIR
	"$BUILD_IMAGE" --arch arm64 --output "$IMAGES/one.tar" >"$IMAGES/one" 2>&3 || return
	"$BUILD_IMAGE" --arch arm64 --vm --output "$IMAGES/vm.tar" >"$IMAGES/vm" 2>&3 || return
	unpack one
	unpack vm
	cp -a "$IMAGES/vm.root" "$IMAGES/emulated"
	install "$(command -v qemu-aarch64-static)" "$IMAGES/emulated/emulator"
}

# emulated PROGRAM ARGUMENT…: with nothing but the image and the processor
emulated() { unshare --net chroot "$IMAGES/emulated" /emulator "$@"; }

@test "two builds give one digest, and one file" {
	local name option
	for name in one vm; do
		option=$([[ $name == one ]] || echo --vm)
		(umask 077 && cd / && TMPDIR=$BATS_TEST_TMPDIR "$BUILD_IMAGE" --arch arm64 $option --output "$BATS_TEST_TMPDIR/$name.tar" >"$BATS_TEST_TMPDIR/$name")
		[[ $(cut -d ' ' -f 2 "$BATS_TEST_TMPDIR/$name") == "$(cut -d ' ' -f 2 "$IMAGES/$name")" ]]
		cmp "$BATS_TEST_TMPDIR/$name.tar" "$IMAGES/$name.tar"
	done
}

@test "they say that they are for arm64 on Linux" {
	local name
	for name in one vm; do [[ $(jq -r '.architecture + " " + .os' "$IMAGES/$name.config") == "arm64 linux" ]]; done
}

@test "the image is smaller than 12 MiB, that with QEMU and the guest smaller than 64" {
	echo "# $(bytes_of one) and $(bytes_of vm) bytes compressed" >&3
	(($(bytes_of one) > 1 << 20 && $(bytes_of one) < 12 << 20))
	(($(bytes_of vm) > 12 << 20 && $(bytes_of vm) < 64 << 20))
}

@test "there are the same programs as for x86-64, and their libraries" {
	[[ $(programs one) == "$OUR_PROGRAMS" ]]
	[[ $(programs vm) == "$OUR_PROGRAMS qemu-system-aarch64 virtiofsd" ]]
	[[ $(ls "$IMAGES/one.root$PREFIX/lib" | xargs) == "ld-linux-aarch64.so.1 libc.so.6 libmnl.so.0" ]]
}

@test "everything in them is arm64's, the guest's kernel too" {
	local name file n=0
	for name in one vm; do
		for file in $(elf_files $name); do
			readelf -h "$IMAGES/$name.root/$file" | grep -q 'Machine: *AArch64' || { echo "$file is of another processor"; return 1; }
			n=$((n + 1))
		done
	done
	((n > 60))
	[[ $(dd if="$IMAGES/vm.root$PREFIX/share/holdfast/guest/vmlinuz" bs=1 skip=56 count=4 status=none) == ARMd ]]
}

@test "every program runs where there is nothing but the image, and no library is missing" {
	local program
	for program in $(programs vm); do
		# It wants /proc.
		if [[ $program == virtiofsd ]]; then
			emulated "$PREFIX/lib/ld-linux-aarch64.so.1" --list "$PREFIX/bin/$program"
		else
			says_version "$program" emulated
		fi
	done
}

@test "whatever a program loads lies in the image" {
	local file
	for file in $(elf_files vm); do
		[[ $(readelf -lW "$IMAGES/vm.root/$file") == *INTERP* ]] || continue
		run emulated "$PREFIX/lib/ld-linux-aarch64.so.1" --list "${file#.}"
		# The emulator's part of each process has no name.
		((status == 0)) && ! grep -v "=> $PREFIX/lib/\|^	$PREFIX/lib/ld-linux\|^	 (0x" <<<"$output" || { echo "$file: $output"; return 1; }
	done
}

@test "no file says in which directory it was built" {
	says_nothing_of_the_build
}

@test "jumps land only where the compiler let them, and relocations are read-only" {
	local program
	for program in holdfast-net holdfast-tpm; do
		aarch64-linux-gnu-objdump -d --no-show-raw-insn "$IMAGES/one.root$PREFIX/bin/$program" | grep -qE '\b(paciasp|bti|hint\s+#0x(19|22))'
		readelf -d "$IMAGES/one.root$PREFIX/bin/$program" | grep -q BIND_NOW
	done
}

@test "the SBOM knows the package of every program and library, which is arm64's, and each licence is inside" {
	local name file package
	for name in one vm; do
		files_of_packages $name >"$BATS_TEST_TMPDIR/from"
		for file in $(elf_files $name); do
			grep -q "^$file " "$BATS_TEST_TMPDIR/from" || { echo "$file is of no package"; return 1; }
		done
		[[ $(sbom $name -r '.packages[] | .externalRefs[]?.referenceLocator' | grep -c 'arch=amd64') == 0 ]]
		for package in $(sbom $name -r '.packages[] | select(.supplier) | .name'); do
			[[ -s $IMAGES/$name.root$PREFIX/share/doc/holdfast/copyright/$package ]] || { echo "no licence of $package"; return 1; }
		done
	done
	grep -qx "./opt/holdfast/bin/holdfast-net libnftnl-dev" "$BATS_TEST_TMPDIR/from"
	grep -qx "./opt/holdfast/bin/holdfast-tpm openssl" "$BATS_TEST_TMPDIR/from"
	grep -qx "./opt/holdfast/lib/libc.so.6 libc6" "$BATS_TEST_TMPDIR/from"
	grep -qx "./opt/holdfast/bin/qemu-system-aarch64 qemu-system-arm" "$BATS_TEST_TMPDIR/from"
	grep -q "^./opt/holdfast/share/holdfast/guest/vmlinuz linux-image-" "$BATS_TEST_TMPDIR/from"
}

@test "--arch all joins what each processor gets alone" {
	local made layout=$BATS_TEST_TMPDIR/layout
	made=$("$BUILD_IMAGE" --arch all --output "$BATS_TEST_TMPDIR/all.tar" | tail -n 1)
	mkdir "$layout" && tar -xf "$BATS_TEST_TMPDIR/all.tar" -C "$layout"
	jq -r '.manifests[] | .platform.architecture + " " + .digest' "$layout/blobs/$(cut -d ' ' -f 2 <<<"$made" | tr : /)" >"$BATS_TEST_TMPDIR/joined"
	{
		echo "amd64 $("$BUILD_IMAGE" --output "$BATS_TEST_TMPDIR/amd64.tar" | cut -d ' ' -f 2)"
		echo "arm64 $(cut -d ' ' -f 2 "$IMAGES/one")"
	} | diff - "$BATS_TEST_TMPDIR/joined"
}
