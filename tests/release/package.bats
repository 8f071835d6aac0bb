#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Debian package: what is in it, that dpkg alone changes nothing of a node, and that the node that was installed from it does not need it any more.
bats_require_minimum_version 1.5.0
load lib

HERE=/opt/holdfast/package

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	need_lean_libraries || return
	{
		cmake --preset release && cmake --build --preset release --target programs && (umask 077 && cpack --preset release)
	} >"$BATS_FILE_TMPDIR/log" 2>&1 || { tail -n 30 "$BATS_FILE_TMPDIR/log" >&3; return 1; }
	DEB=$(ls "$PWD"/build/release/package/holdfast_*_amd64.deb)
	TREE=$BATS_FILE_TMPDIR/tree
	export DEB TREE
	dpkg-deb -x "$DEB" "$TREE"
}

# A system of its own that has of packages what ours depends on, and nothing else.
setup() {
	ROOT=$BATS_TEST_TMPDIR/root
	mkdir -p "$ROOT"/{etc/cni/net.d,opt/cni/bin} "$ROOT"/var/lib/dpkg/{info,updates,triggers}
	dpkg-query -s libc6 libmnl0 | sed 's/^Depends:.*//; s/^Recommends:.*//; /^$/{N;/^\n$/D}' | awk '/^Package/ && NR > 1 { print "" } NF' >"$ROOT/var/lib/dpkg/status"
	cp "$BATS_TEST_DIRNAME/../golden/conflist/flannel.conflist" "$ROOT/etc/cni/net.d/10-flannel.conflist"
}

on_dpkg() { dpkg --root="$ROOT" --log=/dev/null --force-not-root --force-script-chrootless "$@"; }
files() { (cd "$ROOT" && find . -path ./var/lib/dpkg -prune -o -printf '%P %m %l\n' | sort && find . -path ./var/lib/dpkg -prune -o -type f ! -name lock -exec sha256sum {} + | sort -k2); }
field() { dpkg-deb -f "$DEB" "$1"; }

@test "it is of the version of the programs, and depends on libc and libmnl alone" {
	[[ $(field Version) == "$("$TREE$HERE/bin/kubectl-holdfast" version | grep -oE '[0-9]+[.][0-9]+[.][0-9]+' | head -n 1)" ]]
	[[ $(field Package) == holdfast && $(field Architecture) == amd64 ]]
	[[ $(field Depends | sed 's/ ([^)]*)//g' | tr ',' '\n' | xargs) == "libc6 libmnl0" ]]
	[[ $(field Description) == *$'\n The package starts nothing '* ]]
}

@test "there is no script that dpkg runs, and one configuration file, which is the person's" {
	[[ $(dpkg-deb --ctrl-tarfile "$DEB" | tar -t | sed 's|^[.]/||' | sort | xargs) == "conffiles control md5sums" ]]
	[[ $(dpkg-deb --ctrl-tarfile "$DEB" | tar -xO ./conffiles) == /etc/holdfast/holdfast.yaml ]]
	"$TREE$HERE/bin/holdfast-node" containerd-config --root "$TREE" --version 2.1.0 --settings /etc/holdfast/holdfast.yaml >/dev/null
}

@test "all of it lies in its own directory, but for the configuration and the copyright" {
	[[ $(cd "$TREE" && find . -type f ! -path ".$HERE/*" | sort | xargs) == "./etc/holdfast/holdfast.yaml ./usr/share/doc/holdfast/copyright" ]]
	diff <(cd "$TREE" && find . -type f ! -path ./etc/holdfast/holdfast.yaml -exec md5sum {} + | sed 's|[.]/||' | sort -k2) <(dpkg-deb --ctrl-tarfile "$DEB" | tar -xO ./md5sums | grep -v etc/holdfast | sort -k2)
}

@test "everything is root's and nobody else's to write; programs are stripped and name no directory of the build" {
	local program
	run awk '$1 ~ /^[d-]/ && $1 !~ /^(drwxr-xr-x|-rwxr-xr-x|-rw-r--r--)$/ || $2 != "root/root"' < <(dpkg-deb -c "$DEB")
	[[ ! $output ]] || { echo "$output"; return 1; }
	for program in "$TREE$HERE"/bin/holdfast* "$TREE$HERE/bin/containerd-shim-holdfast-v2"; do
		[[ $(readelf -S "$program") != *' .symtab '* && $(readelf -d "$program") != *R*PATH* ]] || { echo "$program"; return 1; }
	done
	run grep -rlF -e "$(readlink -f "$BATS_TEST_DIRNAME/../..")/" "$TREE"
	[[ $status == 1 && ! $output ]] || { echo "$output"; return 1; }
}

@test "the licence of every library that is linked is in it, and an SBOM with every program" {
	local doc=$TREE$HERE/share/doc/holdfast package program
	for package in $(jq -r '.packages[] | select(.versionInfo // "" != "") | .name' "$doc/sbom.spdx.json"); do
		[[ -s $doc/copyright/$package || $package == holdfast ]] || { echo "$package has no licence"; return 1; }
	done
	[[ -s $doc/copyright/libnftnl-dev && -s $doc/copyright/openssl ]]
	for program in holdfast-net holdfast-node holdfast-tpm; do
		[[ $(jq -r --arg file "./opt/holdfast/bin/$program" '.files[] | select(.fileName == $file).checksums[] | select(.algorithm == "SHA256").checksumValue' "$doc/sbom.spdx.json") == \
			"$(sha256sum <"$TREE$HERE/bin/$program" | cut -d ' ' -f 1)" ]]
	done
}

@test "dpkg does not install it where a library is missing" {
	sed -i '/^Package: libmnl0/,$d' "$ROOT/var/lib/dpkg/status"
	run on_dpkg -i "$DEB"
	[[ $status == 1 && $output == *'holdfast depends on libmnl0'* ]]
}

@test "installed and removed it has changed nothing; purged, nothing of it is left" {
	files >"$BATS_TEST_TMPDIR/before"
	on_dpkg -i "$DEB"
	[[ -x $ROOT$HERE/bin/holdfast-net && ! -e $ROOT/opt/holdfast/bin && ! -e $ROOT/opt/cni/bin/holdfast ]]
	"$ROOT$HERE/bin/holdfast-net" --help >/dev/null
	"$ROOT$HERE/bin/holdfast-tpm" serve --print-config >/dev/null
	on_dpkg -r holdfast
	[[ -e $ROOT/etc/holdfast/holdfast.yaml && ! -e $ROOT/opt/holdfast ]]
	on_dpkg -P holdfast
	files | diff "$BATS_TEST_TMPDIR/before" -
}

@test "the node that was installed from it goes on without it, takes the next one, and is what it was after uninstall" {
	files >"$BATS_TEST_TMPDIR/before"
	on_dpkg -i "$DEB"
	echo 'install: {containerd: {configure: false}}' >"$ROOT/etc/holdfast/holdfast.yaml"
	"$ROOT$HERE/bin/holdfast-node" install --root "$ROOT" --settings "$ROOT/etc/holdfast/holdfast.yaml"
	on_dpkg -i "$DEB" # dpkg writes nothing into what was installed
	"$ROOT/opt/holdfast/bin/holdfast-node" check --root "$ROOT"
	grep -q configure "$ROOT/etc/holdfast/holdfast.yaml"
	on_dpkg -P holdfast
	[[ ! -e $ROOT$HERE ]]
	"$ROOT/opt/holdfast/bin/holdfast-node" check --root "$ROOT"
	grep -q '"holdfast"' "$ROOT/etc/cni/net.d/10-flannel.conflist"
	"$ROOT/opt/holdfast/bin/holdfast-node" uninstall --root "$ROOT"
	files | diff "$BATS_TEST_TMPDIR/before" -
}
