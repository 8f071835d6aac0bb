#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# holdfast-node install, status, check, rollback, uninstall as a person runs them, and on a node that is not as it should be: a full disk, a read-only
# /etc, programs that run, another installer. The way back from every single step is tests/unit/install's.
bats_require_minimum_version 1.5.0

setup() {
	HOST=$BATS_TEST_TMPDIR/host ON=()
	PATH=$HOLDFAST_BUILD/bin:$PATH
	mkdir -p "$HOST/etc/cni/net.d" "$HOST/opt/cni/bin"
	cp "$BATS_TEST_DIRNAME/../golden/conflist/flannel.conflist" "$HOST/etc/cni/net.d/10-flannel.conflist"
	echo 'install: {containerd: {configure: false}}' >"$BATS_TEST_TMPDIR/holdfast.yaml"
	tree one 1.0.0
	tree two 2.0.0
}

# tree NAME VERSION: a small Holdfast, with programs that run
tree() {
	local to=$BATS_TEST_TMPDIR/$1
	mkdir -p "$to/bin" "$to/lib" "$to/share/guest"
	cp "$HOLDFAST_BUILD/bin/holdfast" "$(command -v sleep)" "$to/bin/"
	cp "$HOLDFAST_BUILD/bin/holdfast" "$to/bin/holdfast-node"
	echo "$2" >"$to/share/version"
	echo "$2" | tee "$to/lib/one" "$to/share/guest/image" >/dev/null
	echo "$2" >>"$to/bin/holdfast"
}

node() { "${ON[@]}" holdfast-node "$1" --root "$HOST" "${@:2}"; }
install() { node install --from "$BATS_TEST_TMPDIR/$1" --settings "$BATS_TEST_TMPDIR/holdfast.yaml" "${@:2}"; }
snapshot() { (cd "$HOST" && find . -printf '%P %m %l\n' | sort && find . -type f ! -name lock -exec sha256sum {} + | sort -k2); }

@test "install, status, check, rollback, uninstall: each says what it did, and the node is what it was" {
	snapshot >"$BATS_TEST_TMPDIR/before"
	run -2 node check
	[[ $output == *'no version of Holdfast is installed'* ]]
	run -0 install one
	[[ $output =~ ^'installed version 1.0.0-'[0-9a-f]{12}$'\n''put the entry into /etc/cni/net.d/10-flannel.conflist'$ ]]
	node check
	install two | grep -q '^installed version 2.0.0-.*, in place of 1.0.0-'
	node status | grep -q '^version 2.0.0-.*, before it 1.0.0-'
	node status -o json | jq -e '(.version | startswith("2.0.0-")) and (.findings | length > 4 and all(.level == "ok"))'
	node rollback | grep -q '^switched back to version 1.0.0-'
	node uninstall | grep -q 'pods that run stay isolated'
	snapshot | diff "$BATS_TEST_TMPDIR/before" -
}

@test "what somebody damaged is found, named, and repaired by the cure" {
	install one
	echo x >>"$HOST/opt/holdfast/current/share/guest/image"
	rm "$HOST/opt/cni/bin/holdfast" "$HOST/opt/holdfast/lib"
	cp "$BATS_TEST_DIRNAME/../golden/conflist/flannel.conflist" "$HOST/etc/cni/net.d/10-flannel.conflist"
	run -2 node check -o json
	jq -e '[.findings[] | select(.level == "fail").check] == ["version", "links", "cni-plugin", "cni-entry"]' <<<"$output"
	install one
	node check
}

@test "a node without a CNI configuration is installed, and says that the entry has to wait" {
	rm "$HOST/etc/cni/net.d/10-flannel.conflist"
	run -3 install one
	[[ $output == *'there is no CNI configuration in /etc/cni/net.d yet'* ]]
	run -1 node check
}

@test "programs that run keep running, and no file of theirs is written to" {
	install one
	"$HOST/opt/holdfast/bin/sleep" 60 &
	local pid=$! program
	program=$(readlink /proc/$pid/exe)
	until [[ $program == */versions/1.0.0-*/bin/sleep ]]; do program=$(readlink /proc/$pid/exe); done
	install two
	node rollback
	install two
	[[ $(readlink /proc/$pid/exe) == "$program" && -e $program ]]
	kill $pid
}

# decided: what the shim of that path would do with a pod
decided() { "$1" route --explain "$BATS_TEST_TMPDIR/bundle" | sed -n 's/^now *//p'; }

@test "a shim has the settings of its own version, also while the other one takes its place" {
	local old shim=$HOST/opt/holdfast/bin/containerd-shim-holdfast-v2
	mkdir "$BATS_TEST_TMPDIR/bundle"
	echo '{"annotations": {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "5f3a"}}' >"$BATS_TEST_TMPDIR/bundle/config.json"
	cp "$HOLDFAST_BUILD/bin/containerd-shim-holdfast-v2" "$BATS_TEST_TMPDIR/one/bin/"
	cp "$HOLDFAST_BUILD/bin/containerd-shim-holdfast-v2" "$BATS_TEST_TMPDIR/two/bin/"
	echo '{install: {containerd: {configure: false}}, sandbox: {rules: [{name: first, handler: holdfast, backend: vm}]}}' >"$BATS_TEST_TMPDIR/holdfast.yaml"
	install one
	old=$(readlink -f "$shim")
	[[ $(decided "$shim") == *'"first"'* ]]
	sed -i 's/first/second/' "$BATS_TEST_TMPDIR/holdfast.yaml"
	install two
	[[ $(decided "$shim") == *'"second"'* && $(decided "$old") == *'"first"'* ]]
	node rollback
	[[ $(decided "$shim") == *'"first"'* ]]
}

@test "a full disk is said, and nothing of the new version is left" {
	mkdir "$BATS_TEST_TMPDIR/disk"
	run -0 unshare -m bash -e -c '
		mount -t tmpfs -o size=3m none "$1/disk"
		cp -a "$1/host/." "$1/disk/"
		install() { holdfast-node install --root "$1/disk" --settings "$1/holdfast.yaml" --from "$1/$2"; }
		install "$1" one
		find "$1/disk" | sort >"$1/before"
		head -c 4m /dev/zero >"$1/two/share/guest/image"
		! install "$1" two || exit 1
		find "$1/disk" | sort | diff "$1/before" -
		holdfast-node check --root "$1/disk"
		dd if=/dev/zero of="$1/disk/fill" 2>/dev/null || true
		holdfast-node uninstall --root "$1/disk" || { rm "$1/disk/fill"; holdfast-node uninstall --root "$1/disk"; }
		[[ ! -e $1/disk/opt/holdfast ]]
	' - "$BATS_TEST_TMPDIR"
	[[ $output == *'holdfast-node: cannot write '*'/versions/.new/'*': No space left on device'* ]] || { echo "$output"; return 1; }
}

@test "a read-only /etc is said; the rest is done, and done anew when it can be written" {
	run -0 unshare -m bash -e -c '
		mount --bind "$1/host/etc" "$1/host/etc"
		mount -o remount,bind,ro "$1/host/etc"
		! holdfast-node install --root "$1/host" --settings "$1/holdfast.yaml" --from "$1/one" || exit 1
		[[ -x $1/host/opt/cni/bin/holdfast ]]
	' - "$BATS_TEST_TMPDIR"
	[[ $output == *'holdfast-node: cannot create '*'/etc/cni/net.d/'*': Read-only file system'* ]] || { echo "$output"; return 1; }
	install one
	node check
}

@test "two at once: the second waits, and both are done" {
	local first
	install one &
	first=$!
	install two
	wait $first
	install two
	node check
}

@test "who holds the lock is named" {
	install one
	exec 9>>"$HOST/opt/holdfast/install/lock"
	flock 9
	run -1 install two --wait 0
	[[ $output == *'holdfast-node install, process '*' is at work on this node and holds '*'/opt/holdfast/install/lock' ]]
	exec 9>&-
}

# In a network namespace of its own, with the tables that a node would have.
@test "the policies stay when we go, unless the operator says stop; nobody else's table is touched" {
	install one
	run -0 unshare -n bash -e -c '
		nft add table inet holdfast; nft add table netdev holdfast; nft add table inet theirs
		cp -a "$1/host" "$1/again"
		holdfast-node uninstall --root "$1/host"
		[[ $(nft list tables | wc -l) == 3 ]]
		holdfast-node uninstall --root "$1/again" --policies stop
		[[ $(nft list tables) == "table inet theirs" ]]
		holdfast-node uninstall --root "$1/again" --policies stop
	' - "$BATS_TEST_TMPDIR"
}

# In a network namespace of its own, whose settings they are, with the kernel's own files.
@test "where pods are on a bridge, install has the kernel show their packets to the rules; uninstall takes it back with the rules" {
	[[ -d /proc/sys/net/bridge ]] || skip "this kernel has no br_netfilter"
	run -0 unshare -n -m bash -e -c '
		settings=/proc/sys/net/bridge/bridge-nf-call-ip
		mkdir "$1/host/proc" && mount --rbind /proc "$1/host/proc"
		echo 0 >${settings}tables && echo 1 >${settings}6tables
		holdfast-node install --root "$1/host" --from "$1/one" --settings "$1/holdfast.yaml" | grep "set net.bridge.bridge-nf-call-iptables"
		[[ $(cat ${settings}{,6}tables) == 1$'\''\n'\''1 ]]
		holdfast-node check --root "$1/host" | grep "^ok  *bridge"
		echo 0 >${settings}6tables
		holdfast-node check --root "$1/host" | grep "^FAIL  *bridge .*bridge-nf-call-ip6tables is not 1" && echo 1 >${settings}6tables
		cp -a --no-preserve=timestamps "$1/host/opt" "$1/again"
		holdfast-node uninstall --root "$1/host"
		[[ $(cat ${settings}tables) == 1 ]]
		cp -a "$1/again/holdfast" "$1/host/opt/"
		holdfast-node uninstall --root "$1/host" --policies stop
		[[ $(cat ${settings}{,6}tables) == 0$'\''\n'\''1 && ! -e $1/host/run/holdfast ]]
	' - "$BATS_TEST_TMPDIR"
}

# The first process of its own, as a node has one, and a modprobe that takes away what stands in front of the kernel's files.
@test "where br_netfilter is not loaded, the node's own modprobe loads it, or install says that it cannot" {
	[[ -d /proc/sys/net/bridge ]] || skip "this kernel has no br_netfilter"
	run -0 unshare -n -m -p -f --mount-proc bash -e -c '
		mkdir "$1/host/proc" && mount --rbind /proc "$1/host/proc"
		mount -t tmpfs none "$1/host/proc/sys/net/bridge"
		mount -t tmpfs none /usr/local/sbin
		printf "#!/bin/sh\necho there is no \$1\nexit 1\n" >/usr/local/sbin/modprobe && chmod +x /usr/local/sbin/modprobe
		install=(holdfast-node install --root "$1/host" --from "$1/one" --settings "$1/holdfast.yaml")
		! "${install[@]}" 2>"$1/said" || exit 1
		grep "pods are on a bridge, and .modprobe br_netfilter. fails, without which no pod starts: there is no br_netfilter" "$1/said"
		grep -q holdfast "$1/host/etc/cni/net.d/10-flannel.conflist"
		printf "#!/bin/sh\numount %s\n" "$1/host/proc/sys/net/bridge" >/usr/local/sbin/modprobe
		"${install[@]}" | grep "set net.bridge.bridge-nf-call-iptables"
		holdfast-node check --root "$1/host" | grep "^ok  *bridge"
	' - "$BATS_TEST_TMPDIR"
}

@test "the secrets that pods have are overwritten and gone, and so is the state; what others keep there stays" {
	mkdir -p "$HOST/run/holdfast/vol" "$HOST"/var/lib/holdfast/{net,tpm,theirs}
	touch "$HOST"/var/lib/holdfast/{net/journal,theirs/file}
	install one
	unshare -m bash -e -c '
		mount -t tmpfs none "$1/host/run/holdfast/vol"
		mkdir "$1/host/run/holdfast/vol/device"
		printf secret >"$1/host/run/holdfast/vol/device/password"
		exec 9<"$1/host/run/holdfast/vol/device/password"
		holdfast-node uninstall --root "$1/host"
		[[ ! -e $1/host/run/holdfast/vol/device && $(tr "\0" 0 <&9) == 000000 ]]
	' - "$BATS_TEST_TMPDIR"
	[[ $(cd "$HOST/var/lib/holdfast" && find . -type f) == ./theirs/file ]]
}

@test "secrets are overwritten and gone also where secrets.volumes has them; another's memory stays" {
	mkdir -p "$HOST/srv/secrets" "$HOST/srv/cache"
	install one
	unshare -m bash -e -c '
		mount -t tmpfs holdfast "$1/host/srv/secrets"
		mount -t tmpfs cache "$1/host/srv/cache"
		printf secret | tee "$1/host/srv/secrets/password" >"$1/host/srv/cache/password"
		exec 9<"$1/host/srv/secrets/password"
		holdfast-node uninstall --root "$1/host"
		[[ ! -e $1/host/srv/secrets && $(tr "\0" 0 <&9) == 000000 && $(cat "$1/host/srv/cache/password") == secret ]]
	' - "$BATS_TEST_TMPDIR"
}

@test "what pods in VMs need is not taken away from them, unless the operator says so" {
	local record
	mkdir -p "$HOST/run/holdfast/sandboxes"
	for record in a b c d; do
		echo "{\"podUID\":\"1\",\"namespace\":\"shop\",\"name\":\"$record\",\"backend\":\"vm\"}" >"$HOST/run/holdfast/sandboxes/$record.json"
	done
	echo '{"namespace":"shop","name":"e","backend":"runc"}' >"$HOST/run/holdfast/sandboxes/e.json"
	install one
	snapshot >"$BATS_TEST_TMPDIR/before"
	run -1 node uninstall
	[[ $output =~ ^'holdfast-node: 4 pods run in VMs, which nobody could end any more ('(shop/[a-d], ){3}'…): delete them first, or say --force'$ ]]
	snapshot | diff "$BATS_TEST_TMPDIR/before" -
	node uninstall --force
	[[ ! -e $HOST/opt/holdfast && $(ls "$HOST/run/holdfast/sandboxes") == $'a.json\nb.json\nc.json\nd.json' ]]
}

@test "the records of runc's pods go, wherever sandbox.records has them; what is no record stays" {
	local records
	for records in /run/holdfast/sandboxes /run/records; do
		echo "sandbox: {records: $records}" >>"$BATS_TEST_TMPDIR/holdfast.yaml"
		install one
		mkdir -p "$HOST$records"
		echo '{"podUID":"1","namespace":"shop","name":"e","backend":"runc","shimPID":1}' >"$HOST$records/e.json"
		node uninstall
		[[ ! -e $HOST$records ]]
		sed -i '$d' "$BATS_TEST_TMPDIR/holdfast.yaml"
	done
	install one
	mkdir -p "$HOST/run/holdfast/sandboxes"
	echo theirs >"$HOST/run/holdfast/sandboxes/f.json"
	node uninstall
	[[ $(cat "$HOST/run/holdfast/sandboxes/f.json") == theirs ]]
}

# vm_state DIRECTORY: what the self-test and the starts of VMs leave there
vm_state() {
	mkdir -p "$1/.ids"
	touch "$1.self-test" "$1/.guest" "$1/.virtiofsd"
	ln -s ../gone "$1/.ids/131072"
}

@test "what starts of VMs leave on the node is gone, wherever sandbox.vm.state has it; a VM that runs on keeps its user ids" {
	snapshot >"$BATS_TEST_TMPDIR/before"
	install one
	vm_state "$HOST/run/holdfast/vm"
	node uninstall
	rmdir "$HOST/run"
	snapshot | diff "$BATS_TEST_TMPDIR/before" -
	echo 'sandbox: {vm: {state: /var/vms}}' >>"$BATS_TEST_TMPDIR/holdfast.yaml"
	install one
	vm_state "$HOST/var/vms"
	mkdir "$HOST/var/vms/a"
	node uninstall
	[[ -L $HOST/var/vms/.ids/131072 && ! -e $HOST/var/vms.self-test ]]
	rmdir "$HOST/var/vms/a"
	install one
	node uninstall
	rmdir "$HOST/var"
	snapshot | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a command line that makes no sense says what would, and exits 2" {
	run -2 node install --policies stop
	[[ $output == 'usage: holdfast-node install '* ]]
	run -2 node uninstall --policies maybe
	run -2 node status --from /
	run -2 node install --wait soon
	[[ ${lines[0]} == *--wait* ]]
}

# ── watch ──

# until_true SECONDS COMMAND…
until_true() {
	local end=$((SECONDS + $1))
	until "${@:2}" >/dev/null 2>&1; do
		((SECONDS < end)) || { echo "not within $1 s: ${*:2}"; cat "$BATS_TEST_TMPDIR/log"; return 1; }
		sleep 0.02
	done
}

# watch TREE: returns when it answers
watch() {
	rm -f "$BATS_TEST_TMPDIR/log"
	"${ON[@]}" holdfast-node watch --root "$HOST" --from "$BATS_TEST_TMPDIR/$1" --settings "$BATS_TEST_TMPDIR/holdfast.yaml" >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	WATCH=$!
	until_true 20 grep -q ' port=' "$BATS_TEST_TMPDIR/log"
	PORT=$(sed -n 's/.* port=//p' "$BATS_TEST_TMPDIR/log")
}

teardown() {
	[[ ! ${API:-} ]] || kill "$API"
	if [[ ${WATCH:-} ]]; then
		kill "$WATCH"
		wait "$WATCH" || true
	fi
	! mountpoint -q "$HOST" || umount -l "$HOST" "$BATS_TEST_TMPDIR/layer"
}

ready() { curl -fsS "http://127.0.0.1:$PORT/readyz"; }
why_not() { [[ $(curl -sS "http://127.0.0.1:$PORT/readyz") == *"$1"* ]]; }
has_ended() { ! kill -0 "$WATCH"; }
has_entry() { grep -q '"holdfast"' "$LIST"; }
is_version() { node status -o json | jq -e --arg version "$1-" '.version | startswith($version)'; }

watch_settings() {
	LIST=$HOST/etc/cni/net.d/10-flannel.conflist
	echo 'install: {healthAddress: "127.0.0.1:0", watchInterval: 1s, containerd: {configure: false}}' >"$BATS_TEST_TMPDIR/holdfast.yaml"
}

@test "watch installs, puts the entry back when the list is rewritten, in place or by rename, and ends with 0" {
	local i flannel=$BATS_TEST_DIRNAME/../golden/conflist/flannel.conflist
	watch_settings
	sed -i 's/1s/1h/' "$BATS_TEST_TMPDIR/holdfast.yaml"
	watch one
	until_true 20 ready
	node check
	for i in 1 2 3; do
		cat "$flannel" >"$LIST"
		until_true 10 has_entry
		cp "$flannel" "$LIST.new" && mv "$LIST.new" "$LIST"
		until_true 10 has_entry
	done
	cmp "$LIST" "$flannel.expected"
	curl -fsS "http://127.0.0.1:$PORT/healthz"
	echo "# $(awk '/VmHWM/ { print $2 }' "/proc/$WATCH/status") KiB at the most" >&3
	kill "$WATCH"
	wait "$WATCH"
	unset WATCH
}

# write_list WAY FILE: as their installers do, and in ways that theirs may have one day
write_list() {
	case $1 in
	copied) cp -f "$2" "$LIST" ;; # flannel's init container
	truncated) cat "$2" >"$LIST" ;; # k3s and Calico: os.WriteFile
	slowly) { head -c 40 "$2"; sleep 0.1; tail -c +41 "$2"; } >"$LIST" ;;
	renamed) cp "$2" "$LIST.tmp" && mv "$LIST.tmp" "$LIST" ;;
	replaced) rm "$LIST" && cp "$2" "$LIST" ;;
	esac
}

is_chained() { cmp "$LIST" "$1.expected"; }

# rewritten NAME DIRECTORY FILE: golden NAME is what the main plugin's installer writes to DIRECTORY/FILE, again and again
rewritten() {
	local way golden=$BATS_TEST_DIRNAME/../golden/conflist/$1.conflist
	LIST=$HOST$2/$3
	mkdir -p "$HOST$2"
	cp "$golden" "$LIST"
	watch one
	until_true 20 ready
	is_chained "$golden"
	for way in copied truncated slowly renamed replaced copied; do
		write_list $way "$golden"
		until_true 10 is_chained "$golden"
	done
	until_true 10 ready
	kill "$WATCH"
	wait "$WATCH"
	unset WATCH
}

@test "however flannel, k3s, Calico and kindnet write their lists anew, ours is the last plugin again, and every other byte is theirs" {
	watch_settings
	sed -i 's/1s/1h/' "$BATS_TEST_TMPDIR/holdfast.yaml"
	rewritten flannel /etc/cni/net.d 10-flannel.conflist
	rm "$LIST"
	# What Calico keeps there too is not looked at.
	echo 'kind: Config' >"$HOST/etc/cni/net.d/calico-kubeconfig"
	rewritten calico /etc/cni/net.d 10-calico.conflist
	[[ $(<"$HOST/etc/cni/net.d/calico-kubeconfig") == 'kind: Config' ]]
	rm "$LIST"
	rewritten kindnet /etc/cni/net.d 10-kindnet.conflist
	rm -r "$HOST/etc/cni"
	mkdir -p "$HOST"/var/lib/rancher/k3s/{data/cni,agent/etc/containerd}
	touch "$HOST/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
	rewritten k3s /var/lib/rancher/k3s/agent/etc/cni/net.d 10-flannel.conflist
	[[ -x $HOST/var/lib/rancher/k3s/data/cni/holdfast ]]
}

@test "a single plugin that comes first is said and left alone, and the list behind it keeps its entry" {
	local single='{"cniVersion": "0.3.1", "name": "multus", "type": "multus"}'
	watch_settings
	sed -i 's/1s/1h/' "$BATS_TEST_TMPDIR/holdfast.yaml"
	watch one
	until_true 20 ready
	echo "$single" >"$HOST/etc/cni/net.d/00-multus.conf"
	until_true 10 why_not '00-multus.conf holds a single plugin, to which nothing can be chained'
	[[ $(<"$HOST/etc/cni/net.d/00-multus.conf") == "$single" ]]
	has_entry
	rm "$HOST/etc/cni/net.d/00-multus.conf"
	until_true 10 ready
	echo "$single" >"$HOST/etc/cni/net.d/99-other.conf"
	ready
	[[ $(<"$HOST/etc/cni/net.d/99-other.conf") == "$single" ]]
}

@test "watch waits for the main plugin's list, says so, and takes the one that comes first by name" {
	watch_settings
	rm -r "$HOST/etc/cni"
	watch one
	until_true 20 why_not 'there is no CNI configuration yet'
	mkdir -p "$HOST/etc/cni/net.d"
	cp "$BATS_TEST_DIRNAME/../golden/conflist/flannel.conflist" "$LIST"
	until_true 20 ready
	has_entry
	LIST=$HOST/etc/cni/net.d/05-calico.conflist
	cp "$BATS_TEST_DIRNAME/../golden/conflist/calico.conflist" "$LIST"
	until_true 10 has_entry
}

@test "watch puts back what is gone, and new settings; a version to which a person has gone back stays" {
	watch_settings
	install one
	watch two
	until_true 20 ready
	rm "$HOST/opt/cni/bin/holdfast" "$HOST/opt/holdfast/share"
	until_true 20 node check
	sed -i '1i sandbox: {records: /run/other}' "$BATS_TEST_TMPDIR/holdfast.yaml"
	until_true 20 cmp "$BATS_TEST_TMPDIR/holdfast.yaml" "$HOST/opt/holdfast/etc/holdfast.yaml"
	node rollback
	rm "$HOST/opt/cni/bin/holdfast"
	until_true 20 node check
	is_version 1.0.0
	rm -r "$HOST/opt/holdfast" "$HOST/opt/cni"
	until_true 20 node check
	is_version 2.0.0
}

@test "watch does not obey settings that no pod could start with, says so, and goes on with those that it has" {
	watch_settings
	watch one
	until_true 20 ready
	cp "$BATS_TEST_TMPDIR/holdfast.yaml" "$BATS_TEST_TMPDIR/good.yaml"
	echo 'sandbox: {rools: []}' >"$BATS_TEST_TMPDIR/holdfast.yaml"
	until_true 20 why_not rools
	cmp "$BATS_TEST_TMPDIR/good.yaml" "$HOST/opt/holdfast/etc/holdfast.yaml"
	cp "$BATS_TEST_TMPDIR/good.yaml" "$BATS_TEST_TMPDIR/holdfast.yaml"
	until_true 20 ready
}

# ── a version that is not as good as the one before ──

# as_root: HOST is this machine's root with a layer of its own, so that programs can be run in there
as_root() {
	local layer=$BATS_TEST_TMPDIR/layer
	mkdir "$layer" && mount -t tmpfs tmpfs "$layer" && mkdir "$layer/upper" "$layer/work" && cp -a "$HOST/." "$layer/upper"
	mount -t overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" overlay "$HOST"
}

# has_passed PART…: on this node, these self-tests, for all that is run from here on
has_passed() { ON=(unshare --mount bash -c 'mount -t tmpfs tmpfs /run && mkdir /run/holdfast && echo "True 1 $0" >/run/holdfast/readiness && exec "$@"' "$*"); }

# shim TREE LEVEL: its self-test says that
shim() {
	local file=$BATS_TEST_TMPDIR/$1/bin/containerd-shim-holdfast-v2
	printf '#!/bin/sh\n[ "$1" != self-test ] || cat <<END\n{"findings": [{"check": "vm", "level": "%s", "cause": "the guest %s", "cure": "build it anew"}]}\nEND\n' "$2" "$2" >"$file"
	chmod 755 "$file"
}

is_at() { [[ $(readlink "$HOST/opt/holdfast/current") == versions/$1-* ]]; }

@test "a version with a program that does not start is refused, and nothing of it is left; --force takes it all the same" {
	as_root
	has_passed network
	install one
	printf '\177ELF of another machine' >"$BATS_TEST_TMPDIR/two/bin/holdfast-tpm"
	chmod 755 "$BATS_TEST_TMPDIR/two/bin/holdfast-tpm"
	(cd "$HOST/opt/holdfast" && find . ! -name lock | sort) >"$BATS_TEST_TMPDIR/before"
	run -1 install two
	[[ $output == *'version 2.0.0-'*' is refused and 1.0.0-'*' stays: its bin/holdfast-tpm does not start'* ]]
	is_at 1.0.0
	(cd "$HOST/opt/holdfast" && find . ! -name lock | sort) | diff "$BATS_TEST_TMPDIR/before" -
	install two --force
	is_at 2.0.0
}

@test "a version that boots no VM is refused where the one before did, and only there; its shim is tried as if it were the node's" {
	as_root
	shim one ok
	shim two fail
	install one
	has_passed network vm
	run -1 install two
	[[ $output == *'is refused and 1.0.0-'*' stays: it boots no VM here, as the other does: the guest fail -> build it anew'* ]]
	is_at 1.0.0
	shim two ok
	install two
	is_at 2.0.0
	shim one fail
	has_passed network
	install one
	is_at 1.0.0
}

@test "watch goes on with the version before when the new one is refused, says so, and takes the new one when it starts" {
	as_root
	has_passed network
	watch_settings
	install one
	printf '\177ELF of another machine' >"$BATS_TEST_TMPDIR/two/bin/holdfast-net"
	chmod 755 "$BATS_TEST_TMPDIR/two/bin/holdfast-net"
	watch two
	until_true 20 why_not 'is refused and 1.0.0-'
	cp "$BATS_TEST_DIRNAME/../golden/conflist/flannel.conflist" "$LIST"
	until_true 20 has_entry
	rm "$HOST/opt/cni/bin/holdfast"
	until_true 20 test -e "$HOST/opt/cni/bin/holdfast"
	why_not 'is refused and 1.0.0-'
	is_version 1.0.0
	rm "$BATS_TEST_TMPDIR/two/bin/holdfast-net"
	kill -HUP "$WATCH"
	until_true 20 ready
	is_version 2.0.0
}

# ── leave ──

# An API server that takes everything, and writes down which object was sent.
api_server() { # api_server [PORT]
	python3 -u -c '
import http.server, sys
class Server(http.server.BaseHTTPRequestHandler):
	def do_PATCH(self):
		self.rfile.read(int(self.headers["Content-Length"]))
		print(self.path.split("?")[0], file=sys.stderr)
		self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"{}")
	def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Server)
print(server.server_port)
server.serve_forever()' "${1:-0}" >"$BATS_TEST_TMPDIR/api.port" 2>"$BATS_TEST_TMPDIR/api.sent" 3>&- &
	API=$!
	until_true 10 test -s "$BATS_TEST_TMPDIR/api.port"
}

# in_pod PROGRAM…: as the DaemonSet's pod runs it, of node edge-1. In the background only: it takes the place of its shell.
in_pod() {
	NODE_NAME=edge-1 exec unshare --mount bash -c 'mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount && cd /run/secrets/kubernetes.io/serviceaccount &&
		echo t >token && echo >ca.crt && exec "$@"' - "$@" >"$BATS_TEST_TMPDIR/log" 2>&1 3>&-
}

@test "an API server that is away keeps no node from being installed; it is told when it comes" {
	api_server
	kill "$API" && wait "$API" || true
	local port
	port=$(cat "$BATS_TEST_TMPDIR/api.port")
	rm "$BATS_TEST_TMPDIR/api.port"
	echo "install: {healthAddress: '127.0.0.1:9479', apiServer: 'http://127.0.0.1:$port', containerd: {configure: false}}" >"$BATS_TEST_TMPDIR/holdfast.yaml"
	in_pod "${ON[@]}" holdfast-node watch --root "$HOST" --from "$BATS_TEST_TMPDIR/one" --settings "$BATS_TEST_TMPDIR/holdfast.yaml" --readiness tpm &
	WATCH=$! PORT=9479
	until_true 20 ready
	[[ -e $HOST/opt/holdfast/current ]]
	until_true 20 grep -q "127.0.0.1:$port" "$BATS_TEST_TMPDIR/log"
	api_server "$port"
	until_true 90 grep -qx '/api/v1/nodes/edge-1/status' "$BATS_TEST_TMPDIR/api.sent"
}

@test "leave waits for pods in VMs and says so; then the node is what it was, and labels and condition are withdrawn at install.apiServer" {
	snapshot >"$BATS_TEST_TMPDIR/before"
	api_server
	echo "install: {healthAddress: '127.0.0.1:9479', apiServer: 'http://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/api.port")', containerd: {configure: false}}" >"$BATS_TEST_TMPDIR/holdfast.yaml"
	echo 'sandbox: {records: /run/records}' >>"$BATS_TEST_TMPDIR/holdfast.yaml"
	install one
	mkdir -p "$HOST/run/records"
	echo '{"podUID":"1","namespace":"shop","name":"db","backend":"vm"}' >"$HOST/run/records/1.json"
	in_pod holdfast-node leave --root "$HOST" --settings "$BATS_TEST_TMPDIR/holdfast.yaml" --readiness network,vm &
	WATCH=$! PORT=9479
	until_true 10 why_not '1 pods run in VMs, which nobody could end any more (shop/db)'
	[[ -e $HOST/opt/holdfast/current ]]
	rm "$HOST/run/records/1.json"
	until_true 20 ready
	until_true 10 grep -qx '/api/v1/nodes/edge-1' "$BATS_TEST_TMPDIR/api.sent"
	grep -qx '/api/v1/nodes/edge-1/status' "$BATS_TEST_TMPDIR/api.sent"
	rmdir "$HOST/run"
	snapshot | diff "$BATS_TEST_TMPDIR/before" -
}

@test "leave waits for another one who is at work on the node, says so, and can be ended meanwhile" {
	echo "install: {healthAddress: '127.0.0.1:9479', containerd: {configure: false}}" >"$BATS_TEST_TMPDIR/holdfast.yaml"
	install one
	exec 8<>"$HOST/opt/holdfast/install/lock"
	flock 8
	holdfast-node leave --root "$HOST" --settings "$BATS_TEST_TMPDIR/holdfast.yaml" >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- 8>&- &
	WATCH=$! PORT=9479
	until_true 10 why_not 'is at work on this node and holds' || { flock -u 8; return 1; }
	kill "$WATCH"
	until_true 10 has_ended || { flock -u 8; return 1; }
	WATCH=
	[[ -e $HOST/opt/holdfast/current ]]
}

@test "leave of a node whose API server was told nothing asks none: there is none here, and it is ready" {
	snapshot >"$BATS_TEST_TMPDIR/before"
	echo "install: {healthAddress: '127.0.0.1:9479', containerd: {configure: false}}" >"$BATS_TEST_TMPDIR/holdfast.yaml"
	install one
	holdfast-node leave --root "$HOST" --settings "$BATS_TEST_TMPDIR/holdfast.yaml" >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	WATCH=$! PORT=9479
	until_true 20 ready
	snapshot | diff "$BATS_TEST_TMPDIR/before" -
}
