#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The images: what is in them, where it is from, and that it runs where there is nothing else.
bats_require_minimum_version 1.5.0
load lib
load image

BUILD_IMAGE=$BATS_TEST_DIRNAME/../../deploy/image/build
JOIN=$BATS_TEST_DIRNAME/../../deploy/image/join

setup_file() {
	need_lean_libraries || return
	export IMAGES=$BATS_FILE_TMPDIR
	"$BUILD_IMAGE" --output "$IMAGES/one.tar" >"$IMAGES/one" || return
	"$BUILD_IMAGE" --vm --output "$IMAGES/vm.tar" >"$IMAGES/vm" || return
	unpack one
	unpack vm
}

# in_image NAME CMD…: with nothing but the image, which cannot be written to: no /proc, no /dev, no /etc
in_image() {
	unshare --mount --net bash -c 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec chroot "$0" "$@"' "$IMAGES/$1.root" "${@:2}"
}

in_image_with_proc() {
	local result=0
	mkdir "$IMAGES/$1.root/proc"
	unshare --mount bash -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$IMAGES/$1.root" "${@:2}" || result=$?
	rmdir "$IMAGES/$1.root/proc"
	return "$result"
}

@test "two builds give one digest, and one file" {
	(umask 077 && cd / && TMPDIR=$BATS_TEST_TMPDIR "$BUILD_IMAGE" --output "$BATS_TEST_TMPDIR/two.tar" >"$BATS_TEST_TMPDIR/two")
	[[ $(cut -d ' ' -f 2 "$BATS_TEST_TMPDIR/two") == "$(cut -d ' ' -f 2 "$IMAGES/one")" ]]
	cmp "$BATS_TEST_TMPDIR/two.tar" "$IMAGES/one.tar"
}

@test "no file says in which directory it was built" {
	says_nothing_of_the_build
}

@test "the image is smaller than 12 MiB, that with QEMU and the guest smaller than 64" {
	(($(bytes_of one) > 1 << 20 && $(bytes_of one) < 12 << 20))
	(($(bytes_of vm) > 12 << 20 && $(bytes_of vm) < 64 << 20))
}

@test "README says how large it is" {
	local mib
	mib=$(sed -nE 's/.*holdfast[.]oci[.]tar, ([0-9]+) MiB$/\1/p' "$BATS_TEST_DIRNAME/../../README.md")
	((mib > 0 && $(bytes_of one) > (mib - 1) << 20 && $(bytes_of one) < (mib + 1) << 20))
}

@test "there are our programs and their libraries, and nothing else: no shell, no package manager" {
	[[ $(programs one) == "$OUR_PROGRAMS" ]]
	[[ $(programs vm) == "$(programs one) qemu-system-x86_64 virtiofsd" ]]
	[[ $(ls "$IMAGES/one.root$PREFIX/lib" | xargs) == "ld-linux-x86-64.so.2 libc.so.6 libmnl.so.0" ]]
	local name
	for name in one vm; do
		[[ $(cd "$IMAGES/$name.root" && echo * */* */*/*) == "opt opt/holdfast opt/holdfast/bin opt/holdfast/lib opt/holdfast/share" ]]
	done
}

@test "nothing has another's rights, and nothing can be written by others than root" {
	run find "$IMAGES/one.root" "$IMAGES/vm.root" -mindepth 1 \( -perm /7000 -o ! -type l -perm /022 -o ! -user 0 -o ! -group 0 \)
	[[ $status == 0 && ! $output ]] || { echo "$output"; return 1; }
}

@test "every program runs where there is nothing but the image, and no library is missing" {
	local program
	for program in $(programs vm); do
		# It says nothing where there is no /proc.
		if [[ $program == virtiofsd ]]; then says_version "$program" in_image_with_proc vm; else says_version "$program" in_image vm; fi
	done
}

# As the shim has them started. The last byte of a page is where the end of an initial file system can come nearest to the end of memory.
@test "QEMU of the image finds its firmware, and the guest what that firmware says, whatever the size of the initial file system" {
	local guest=$PREFIX/share/holdfast/guest root=$IMAGES/vm.root machine khz
	read -ra machine < <(sed -n 's/,memory-backend=ram//; /^-machine\|^-bios/p' "$BATS_TEST_DIRNAME/../golden/qemu/microvm-tcg-port" | xargs)
	khz=$(awk '/cpu MHz/ { printf "%d", $4 * 1000; exit }' /proc/cpuinfo)
	cp "$root$guest/initramfs.zst" "$root/initrd"
	truncate -s %4096 "$root/initrd"
	truncate -s -1 "$root/initrd"
	run -0 --separate-stderr in_image vm "$PREFIX/bin/qemu-system-x86_64" -nodefaults -no-user-config -display none -no-reboot "${machine[@]}" \
		-accel tcg -cpu max -m 256M -serial stdio -kernel "$guest/vmlinuz" -initrd /initrd \
		-append "console=ttyS0 panic=-1 rdinit=/nothing tsc_early_khz=$khz" </dev/null
	rm "$root/initrd"
	[[ $output == *"ACPI: PCI Root Bridge"* ]] || { tail -n 20 <<<"$output$stderr"; return 1; }
}

@test "whatever a program loads lies in the image" {
	local file
	for file in $(elf_files vm); do
		[[ $(readelf -lW "$IMAGES/vm.root/$file") == *INTERP* ]] || continue
		run in_image vm "$PREFIX/lib/ld-linux-x86-64.so.2" --list "${file#.}"
		((status == 0)) && ! grep -v "=> $PREFIX/lib/\|^	$PREFIX/lib/ld-linux\|linux-vdso" <<<"$output" || { echo "$file: $output"; return 1; }
	done
}

@test "an own loader has not made a program softer: its relocations and its table of libraries are read-only" {
	local program headers
	for program in holdfast-net holdfast-tpm; do
		headers=$(readelf -lW "$IMAGES/one.root$PREFIX/bin/$program")
		[[ $headers == *"interpreter: $PREFIX/lib/ld-linux-x86-64.so.2]"* ]]
		# The sections of the segment GNU_RELRO, by its number.
		awk '/^  [A-Z]/ && $1 != "Type" { if ($1 == "GNU_RELRO") wanted = sprintf("%02d", n); n++ } $1 == wanted && / \.dynamic / { found = 1 } END { exit !found }' <<<"$headers"
		readelf -d "$IMAGES/one.root$PREFIX/bin/$program" | grep -q BIND_NOW
	done
}

@test "names are resolved without the host's C library" {
	local root=$IMAGES/one.root
	mkdir "$root/etc"
	echo '127.0.0.1 api.example' >"$root/etc/hosts"
	printf '{clusters: [{name: c, cluster: {server: "https://%s:1"}}], contexts: [{name: c, context: {cluster: c}}], current-context: c}\n' api.example >"$root/etc/known"
	sed 's/api[.]example/other.example/' "$root/etc/known" >"$root/etc/unknown"
	echo pw >"$root/etc/pw"
	local seal=("$PREFIX/bin/holdfast-tpm" seal x --allow a/b --from-file /etc/pw --node n --kubeconfig)
	run in_image one "${seal[@]}" /etc/known
	echo "$output"
	[[ $status == 1 && $output != *resolve* ]]
	run in_image one "${seal[@]}" /etc/unknown
	echo "$output"
	[[ $status == 1 && $output == *resolve* ]]
	rm -r "$root/etc"
}

@test "the SBOM knows every file by its digest, and the package and version of every program and library" {
	local name file
	for name in one vm; do
		(cd "$IMAGES/$name.root" && find . -type f ! -name sbom.spdx.json -exec sha256sum {} +) | awk '{ print $2, $1 }' | sort >"$BATS_TEST_TMPDIR/there"
		sbom $name -r '.files[] | "\(.fileName) \(.checksums[] | select(.algorithm == "SHA256").checksumValue)"' | sort | diff - "$BATS_TEST_TMPDIR/there"
		files_of_packages $name >"$BATS_TEST_TMPDIR/from"
		for file in $(elf_files $name); do
			grep -q "^$file " "$BATS_TEST_TMPDIR/from" || { echo "$file is of no package"; return 1; }
		done
	done
	grep -qx "./opt/holdfast/bin/holdfast-net libnftnl-dev" "$BATS_TEST_TMPDIR/from"
	grep -qx "./opt/holdfast/bin/holdfast-tpm openssl" "$BATS_TEST_TMPDIR/from"
	grep -qx "./opt/holdfast/lib/libc.so.6 libc6" "$BATS_TEST_TMPDIR/from"
	grep -qx "./opt/holdfast/bin/qemu-system-x86_64 qemu-system-x86" "$BATS_TEST_TMPDIR/from"
	grep -q "^./opt/holdfast/share/holdfast/guest/vmlinuz linux-image-" "$BATS_TEST_TMPDIR/from"
}

# What a reader of SPDX 2.3 asks before it believes one (7.9: the code of all files).
@test "the SBOM says nothing of what is not in it, calls no two things by one name, and has the code of all files that it names" {
	local name code
	for name in one vm; do
		sbom $name -e '[.SPDXID, (.packages, .files)[].SPDXID] as $ids | ($ids | length > 20 and length == (unique | length)) and
			([.relationships[] | .spdxElementId, .relatedSpdxElement] - $ids == [])'
		code=$(cd "$IMAGES/$name.root" && find . -type f ! -name sbom.spdx.json -exec sha1sum {} + | cut -d ' ' -f 1 | LC_ALL=C sort | tr -d '\n' | sha1sum | cut -d ' ' -f 1)
		sbom $name -e --arg code "$code" '.packages[] | select(.filesAnalyzed) | .name as $name | .packageVerificationCode |
			.packageVerificationCodeValue == $code and .packageVerificationCodeExcludedFiles == ["./opt/holdfast/share/doc/holdfast/sbom.spdx.json"]'
	done
}

@test "the licence of every package in the SBOM is inside, and the texts that it refers to" {
	local name package doc text
	for name in one vm; do
		doc=$IMAGES/$name.root$PREFIX/share/doc/holdfast
		for package in $(sbom $name -r '.packages[] | select(.supplier) | .name'); do
			[[ -s $doc/copyright/$package ]] || { echo "no licence of $package"; return 1; }
		done
		for text in GPL-2 LGPL-2.1; do [[ -s $doc/common-licenses/$text ]]; done
		[[ -s $doc/LICENSE ]]
	done
}

# `kubectl exec` comes to it, as the cures of `kubectl holdfast status` and of the alerts say.
@test "in a container of the image holdfast-net check says that it does not see the node's CNI list, and not that there is none" {
	run in_image_with_proc one $PREFIX/bin/holdfast-net check -o json
	jq -e '[.findings[] | select(.check == "cni-chain" or .check == "cni-executable" or .check == "bridge")] | length == 3 and
		all(.[]; .level == "ok" and (.cause | startswith("not looked at: ")) and (.cure | contains("holdfast-node check --root /host")))' <<<"$output"
}

# empty_image ARCHITECTURE NAME FILE: one with nothing in it
empty_image() {
	local container
	container=$(on_buildah from --arch "$1" scratch)
	on_buildah commit --quiet --timestamp 0 --format oci "$container" "oci-archive:$3:$2" >/dev/null
}
on_buildah() { buildah --root "$BATS_TEST_TMPDIR/storage" --runroot "$BATS_TEST_TMPDIR/storage-run" --storage-driver vfs "$@"; }

# taken_by ARCHITECTURE FILE: what a node of that processor has of it
taken_by() {
	local id
	id=$(on_buildah pull --quiet --arch "$1" "oci-archive:$2")
	on_buildah inspect --type image --format '{{.OCIv1.Architecture}} {{.FromImageDigest}}' "$id"
}

@test "images for two processors are joined into one, of which each takes its own; the same bytes in whatever order" {
	local name=ghcr.io/holdfast/holdfast:0.1.0 index=$BATS_TEST_TMPDIR/index one arm
	cd "$BATS_TEST_TMPDIR"
	empty_image arm64 "$name" arm.tar
	"$JOIN" --output all.tar "$IMAGES/one.tar" arm.tar >said
	"$JOIN" --output again.tar arm.tar "$IMAGES/one.tar"
	cmp all.tar again.tar
	mkdir layout && tar -xf all.tar -C layout
	one=$(cut -d ' ' -f 2 "$IMAGES/one") arm=$(tar -xOf arm.tar index.json | jq -r '.manifests[0].digest')
	jq -r '.manifests[] | "\(.annotations["org.opencontainers.image.ref.name"]) \(.digest)"' layout/index.json >index
	[[ $(<said) == "$(<index) for amd64, arm64: all.tar" && $(<said) == "$name "* ]]
	jq -e --arg one "$one" --arg arm "$arm" '.mediaType == "application/vnd.oci.image.index.v1+json" and
		[.manifests[] | .platform.os + "/" + .platform.architecture + " " + .digest] == ["linux/amd64 " + $one, "linux/arm64 " + $arm]' "layout/blobs/sha256/$(sed 's/.*://' index)"
	(cd layout/blobs/sha256 && for blob in *; do echo "$blob  $blob"; done | sha256sum --check --quiet)
	[[ $(taken_by amd64 all.tar) == "amd64 $one" ]]
	[[ $(taken_by arm64 all.tar) == "arm64 $arm" ]]
}

@test "two images of one processor, or of two names, are not joined, and nothing is left" {
	cd "$BATS_TEST_TMPDIR"
	empty_image amd64 ghcr.io/holdfast/holdfast:0.1.0 same.tar
	empty_image arm64 ghcr.io/holdfast/holdfast:0.1.1 other.tar
	run "$JOIN" --output all.tar "$IMAGES/one.tar" same.tar
	[[ $status == 1 && $output == 'image/join: there are two archives for linux/amd64' ]]
	run "$JOIN" --output all.tar "$IMAGES/one.tar" other.tar
	[[ $status == 1 && $output == 'image/join: other.tar is ghcr.io/holdfast/holdfast:0.1.1, and '*' is ghcr.io/holdfast/holdfast:0.1.0: '* ]]
	run "$JOIN" --output all.tar "$IMAGES/one.tar" "$IMAGES/one"
	[[ $status == 1 && $output == *"image/join: $IMAGES/one is no OCI archive" ]]
	[[ ! -e all.tar && ! -e all.tar.new ]]
}
