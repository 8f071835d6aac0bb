#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The image for arm64: it is arm64's and nothing else, and its programs run where there is nothing but it, on QEMU's emulation of the processor.
bats_require_minimum_version 1.5.0
load ../release/image

BUILD_IMAGE=$BATS_TEST_DIRNAME/../../deploy/image/build

setup_file() {
	export IMAGES=$BATS_FILE_TMPDIR
	"$BUILD_IMAGE" --arch arm64 --output "$IMAGES/one.tar" >"$IMAGES/one" 2>&3 || return
	unpack one
	cp -a "$IMAGES/one.root" "$IMAGES/emulated"
	install "$(command -v qemu-aarch64-static)" "$IMAGES/emulated/qemu"
}

# emulated PROGRAM ARGUMENT…: with nothing but the image and the processor
emulated() { unshare --net chroot "$IMAGES/emulated" /qemu "$PREFIX/bin/$1" "${@:2}"; }

@test "two builds give one digest, and one file" {
	(umask 077 && cd / && TMPDIR=$BATS_TEST_TMPDIR "$BUILD_IMAGE" --arch arm64 --output "$BATS_TEST_TMPDIR/two.tar" >"$BATS_TEST_TMPDIR/two")
	[[ $(cut -d ' ' -f 2 "$BATS_TEST_TMPDIR/two") == "$(cut -d ' ' -f 2 "$IMAGES/one")" ]]
	cmp "$BATS_TEST_TMPDIR/two.tar" "$IMAGES/one.tar"
}

@test "it says that it is for arm64 on Linux, and is smaller than 12 MiB" {
	[[ $(jq -r '.architecture + " " + .os' "$IMAGES/one.config") == "arm64 linux" ]]
	echo "# $(bytes_of one) bytes compressed" >&3
	(($(bytes_of one) > 1 << 20 && $(bytes_of one) < 12 << 20))
}

@test "there are the same programs as for x86-64, and their libraries" {
	[[ $(programs one) == "$OUR_PROGRAMS" ]]
	[[ $(ls "$IMAGES/one.root$PREFIX/lib" | xargs) == "ld-linux-aarch64.so.1 libc.so.6 libmnl.so.0" ]]
}

@test "everything in it is arm64's" {
	local file n=0
	for file in $(elf_files one); do
		readelf -h "$IMAGES/one.root/$file" | grep -q 'Machine: *AArch64' || { echo "$file is of another processor"; return 1; }
		n=$((n + 1))
	done
	((n > 8))
}

@test "every program runs where there is nothing but the image" {
	local program
	for program in $OUR_PROGRAMS; do
		case $program in
		containerd-shim-*) run emulated "$program" -v ;;
		kubectl_complete-*) run emulated "$program" '' ;; # offers the command version
		holdfast) CNI_COMMAND=VERSION run emulated "$program" <<<'{"cniVersion": "1.0.0", "name": "x"}' ;;
		*) run emulated "$program" --version ;;
		esac
		((status == 0)) && [[ ${output,,} == *version* || $output == *0.1.0* ]] || { echo "$program: $status: $output"; return 1; }
	done
}

@test "no file says in which directory it was built" {
	run grep -rlF -e "$(readlink -f "$BATS_TEST_DIRNAME/../..")/" -e "$HOME/" "$IMAGES/one.root"
	[[ $status == 1 && ! $output ]] || { echo "$output"; return 1; }
}

@test "jumps land only where the compiler let them, and relocations are read-only" {
	local program
	for program in holdfast-net holdfast-tpm; do
		aarch64-linux-gnu-objdump -d --no-show-raw-insn "$IMAGES/one.root$PREFIX/bin/$program" | grep -qE '\b(paciasp|bti|hint\s+#0x(19|22))'
		readelf -d "$IMAGES/one.root$PREFIX/bin/$program" | grep -q BIND_NOW
	done
}

@test "the SBOM knows the package of every program and library, which is arm64's, and each licence is inside" {
	local file package
	files_of_packages one >"$BATS_TEST_TMPDIR/from"
	for file in $(elf_files one); do
		grep -q "^$file " "$BATS_TEST_TMPDIR/from" || { echo "$file is of no package"; return 1; }
	done
	grep -qx "./opt/holdfast/bin/holdfast-net libnftnl-dev" "$BATS_TEST_TMPDIR/from"
	grep -qx "./opt/holdfast/bin/holdfast-tpm openssl" "$BATS_TEST_TMPDIR/from"
	grep -qx "./opt/holdfast/lib/libc.so.6 libc6" "$BATS_TEST_TMPDIR/from"
	[[ $(sbom one -r '.packages[] | .externalRefs[]?.referenceLocator' | grep -c 'arch=amd64') == 0 ]]
	for package in $(sbom one -r '.packages[] | select(.supplier) | .name'); do
		[[ -s $IMAGES/one.root$PREFIX/share/doc/holdfast/copyright/$package ]] || { echo "no licence of $package"; return 1; }
	done
}

@test "holdfast-vm is refused: it is not made yet" {
	run -1 "$BUILD_IMAGE" --vm --arch arm64
	[[ $output == *"holdfast-vm is not made for arm64 yet"* ]]
}
