#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Debian package: what is in it, that dpkg alone changes nothing of a node, and that the node that was installed from it does not need it any more.
bats_require_minimum_version 1.5.0
load lib
load ../shim/node
load ../shim/systemd
load service

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

date_of_commit() { echo "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"; }
teardown() {
	[[ ${UNSHARE:-} ]] || return 0
	[[ ${BATS_TEST_COMPLETED:-} ]] || { in_node systemctl status --no-pager 'holdfast-*' || true; tail -n 20 "$NODE"/log/*; }
	systemd_down
}

on_dpkg() { dpkg --root="$ROOT" --log=/dev/null --force-not-root --force-script-chrootless "$@"; }
files() { (cd "$ROOT" && find . -path ./var/lib/dpkg -prune -o -printf '%P %m %l\n' | sort && find . -path ./var/lib/dpkg -prune -o -type f ! -name lock -exec sha256sum {} + | sort -k2); }
field() { dpkg-deb -f "$DEB" "$1"; }

@test "it is of the version of the programs, and depends on libc and libmnl alone" {
	[[ $(field Version) == "$("$TREE$HERE/bin/kubectl-holdfast" version | grep -oE '[0-9]+[.][0-9]+[.][0-9]+' | head -n 1)" ]]
	[[ $(field Package) == holdfast && $(field Architecture) == amd64 ]]
	[[ $(field Depends | sed 's/ ([^)]*)//g' | tr ',' '\n' | xargs) == "libc6 libmnl0" ]]
	[[ $(field Description) == *"The package starts nothing and enables nothing"* ]]
}

@test "its maintainer has an address; its date is the commit's" {
	[[ $(field Maintainer) =~ ^[^\<]+\ \<[^@\ ]+@[^@\ ]+[.][a-z]+\>$ ]]
	[[ $(dpkg-deb --fsys-tarfile "$DEB" | tar -tv --full-time --utc -f - | awk '{ print $4, $5 }' | sort -u) == "$(TZ=UTC0 date -d "@$(date_of_commit)" '+%F %T')" ]]
}

@test "the same programs packed again, elsewhere and under another clock, are the same bytes" {
	local other=$BATS_TEST_TMPDIR/other
	(umask 077 && TZ=Asia/Tokyo LC_ALL=C.UTF-8 cpack --config build/release/CPackConfig.cmake -B "$other" >"$BATS_TEST_TMPDIR/log") || { cat "$BATS_TEST_TMPDIR/log"; return 1; }
	cmp "$DEB" "$other"/holdfast_*_amd64.deb
}

@test "its scripts are sh's, and enable nothing; there is one configuration file, which is the person's" {
	local script
	[[ $(dpkg-deb --ctrl-tarfile "$DEB" | tar -t | sed 's|^[.]/||' | sort | xargs) == "conffiles control md5sums postinst postrm prerm" ]]
	for script in postinst postrm prerm; do
		dpkg-deb -I "$DEB" $script >"$BATS_TEST_TMPDIR/$script"
		sh -n "$BATS_TEST_TMPDIR/$script"
	done
	run grep -hE 'systemctl.* (enable|start|restart)|helper enable' "$BATS_TEST_TMPDIR"/p*
	[[ ! $output ]]
	[[ $(dpkg-deb --ctrl-tarfile "$DEB" | tar -xO ./conffiles) == /etc/holdfast/holdfast.yaml ]]
	sed -i '/directory:/d; s/^  #\([a-z-]\)/  \1/' "$TREE/etc/holdfast/holdfast.yaml" # what is commented out can be said
	"$TREE$HERE/bin/holdfast-node" containerd-config --root "$TREE" --version 2.1.0 --settings /etc/holdfast/holdfast.yaml >/dev/null
}

@test "of its programs there is one copy, in its own directory; in the system's are units, links, and what man and shells look for" {
	[[ $(cd "$TREE" && find . -type f ! -path ".$HERE/*" ! -path './usr/share/*' | sort | xargs) == "./etc/holdfast/holdfast.yaml $(echo ./lib/systemd/system/holdfast-{net,tpm,volumes,watch}.service)" ]]
	[[ $(cd "$TREE/usr/share" && find . -mindepth 1 -maxdepth 1 | sort | xargs) == "./bash-completion ./doc ./fish ./lintian ./man ./zsh" ]]
	[[ $(cd "$TREE/usr/bin" && find . -type l -printf '%f ' | xargs -n 1 | sort | xargs) == "holdfast-net holdfast-node holdfast-tpm kubectl-holdfast kubectl_complete-holdfast" ]]
	for link in "$TREE"/usr/bin/*; do [[ -x $TREE$(readlink "$link") ]] || { echo "$link"; return 1; }; done
	for page in "$TREE$HERE"/share/man/*/*; do zcat "$TREE/usr${page#"$TREE$HERE"}.gz" | cmp - "$page"; done
	for shell in bash-completion/completions fish/vendor_completions.d zsh/site-functions; do
		diff -r "$TREE$HERE/share/$shell" "$TREE/usr/share/${shell/site-functions/vendor-completions}"
	done
	diff <(cd "$TREE" && find . -type f ! -path ./etc/holdfast/holdfast.yaml -exec md5sum {} + | sed 's|[.]/||' | sort -k2) <(dpkg-deb --ctrl-tarfile "$DEB" | tar -xO ./md5sums | grep -v etc/holdfast | sort -k2)
}

@test "systemd understands every line of the units, and each runs a program of the package with the package's configuration" {
	local unit
	for unit in net tpm watch; do
		sed -E "s|=/opt/holdfast/|=$TREE/opt/holdfast/|; /^Documentation=/d" "$TREE/lib/systemd/system/holdfast-$unit.service" >"$BATS_TEST_TMPDIR/holdfast-$unit.service"
		cp "$TREE/lib/systemd/system/holdfast-volumes.service" "$BATS_TEST_TMPDIR/"
		grep -q '^ExecStart=.* /etc/holdfast/holdfast.yaml$' "$BATS_TEST_TMPDIR/holdfast-$unit.service"
	done
	[[ $(command -v systemd-analyze) ]] || skip "there is no systemd-analyze"
	run systemd-analyze verify --recursive-errors=no --man=no "$BATS_TEST_TMPDIR"/*.service
	[[ ! $output ]] || { echo "$output"; return 1; }
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
	mkdir -p "$ROOT/var/lib/holdfast/net" "$ROOT/etc/systemd/system/multi-user.target.wants" # as the daemons do, and who enables them
	ln -s /lib/systemd/system/holdfast-net.service "$ROOT/etc/systemd/system/multi-user.target.wants/"
	on_dpkg -P holdfast
	rmdir -p --ignore-fail-on-non-empty "$ROOT/etc/systemd/system/multi-user.target.wants"
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

@test "on a node whose process 1 is systemd: nothing starts unasked, what is enabled runs with few rights, takes a pod, is upgraded, and is gone" {
	[[ $EUID -eq 0 && -x $SYSTEMD ]] || skip "needs root and $SYSTEMD"
	has_overlay || skip "overlayfs cannot be had"
	service_node || { tail -n 20 "$NODE/log/init"; return 1; }
	node_files >"$NODE/before"
	in_node dpkg -i "$DEB"
	[[ $(in_node systemctl list-units --all --no-legend 'holdfast-*') == "" ]]
	[[ $(in_node systemctl is-enabled holdfast-{net,tpm,watch} | sort -u) == disabled ]]

	in_node mkdir /etc/holdfast/objects
	in_node sh -c 'printf "%s\n" "network: {source: {directory: /etc/holdfast/objects}, nodeName: n1}" "secrets: {source: {directory: /etc/holdfast/objects}, nodeName: n1}" \
		"install: {containerd: {configure: false}}" >/etc/holdfast/holdfast.yaml'
	in_node systemctl enable --now holdfast-net holdfast-tpm holdfast-watch
	stays net
	stays tpm
	stays watch
	wait_for "the agent is well" in_node holdfast-net status
	wait_for "the node is installed" in_node grep -q holdfast /etc/cni/net.d/10-pods.conflist
	[[ $(rights net) == "0000000000001000 0000000000001000 1" ]]
	[[ $(rights tpm) == "0000000000000001 0000000000000001 1" ]]
	[[ $(in_node stat -f -c %T /run/holdfast/vol) =~ ^(tmpfs|ramfs)$ ]]
	add_pod
	[[ $(in_node ls /run/holdfast/net/attachments | wc -l) == 1 ]]

	local before
	before=$(property net InvocationID)
	in_node dpkg -i "$DEB" # the next version; dpkg asks nothing about a file that only the person changed
	stays net
	stays tpm
	stays watch
	[[ $(property net InvocationID) != "$before" ]]
	in_node grep -q 'nodeName: n1' /etc/holdfast/holdfast.yaml

	in_node mkdir -p /run/holdfast/sandboxes # a pod in a VM, which nobody could end without the shim
	in_node sh -c 'echo "{\"namespace\":\"shop\",\"name\":\"web\",\"backend\":\"holdfast\"}" >/run/holdfast/sandboxes/s1.json'
	run in_node dpkg -r holdfast
	[[ $status != 0 && $output == *"pods run in VMs"*shop/web*"this node cannot be left yet; the package stays"* ]] || { echo "$output"; return 1; }
	stays net
	stays tpm
	stays watch
	in_node rm -r /run/holdfast/sandboxes

	in_node dpkg -r holdfast
	! in_node grep -q holdfast /etc/cni/net.d/10-pods.conflist || return 1
	[[ ! -e $NODE/plugins/holdfast && $(in_node pgrep -c holdfast) == 0 ]]
	in_node rm -r /etc/holdfast/objects
	in_node dpkg -P holdfast
	node_files | diff "$NODE/before" -
}
