#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The runtime shim is called as containerd calls it, with the real shim of runc and a recording one in the place of Kata's.
bats_require_minimum_version 1.5.0

REPO=$(readlink -f "${BATS_TEST_FILENAME%/*}/../..")
BUILD=${HOLDFAST_BUILD:-$REPO/build/dev}

setup_file() {
	[[ $EUID -eq 0 ]] || skip "needs root"
	[[ -x $BUILD/bin/containerd-shim-holdfast-v2 ]] || skip "no bin/containerd-shim-holdfast-v2 in $BUILD"
	"$REPO/tests/cluster/build" containerd runc >&2
	RUNC_SHIM=$(readlink -f "$("$REPO/tests/cluster/build" --print-path containerd-shim-runc-v2)")
	RUNC=$("$REPO/tests/cluster/build" --print-path runc)
	export RUNC_SHIM RUNC
}

# An installed prefix, containerd's directory with the real shim of runc, Kata's with the recording one, and a namespace of bundles.
setup() {
	T=$BATS_TEST_TMPDIR
	BUNDLES=$T/run/k8s.io KATA=$T/kata RECORDS=$T/sandboxes
	mkdir -p "$T"/prefix/{bin,etc} "$T"/containerd "$KATA" "$BUNDLES"
	cp -a "$BUILD"/bin/containerd-shim-* "$T/prefix/bin/"
	cp "$BUILD/tests/support/recording_shim" "$KATA/containerd-shim-kata-v2"
	ln -s "$RUNC_SHIM" "$T/containerd/containerd-shim-runc-v2"
	ln -s "$RUNC" "$T/containerd/runc"
	printf 'BOOT\0STRAP\xff\n\0' >"$T/input"
	rules '[]'
}

teardown() { end_shims; }

# The processes that shims have left behind: all have this test's socket among their arguments.
end_shims() {
	local pid
	grep -lzxF "${T:?}/containerd.sock" /proc/[0-9]*/cmdline 2>/dev/null | while IFS=/ read -r _ _ pid _; do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

rules() {
	cat >"$T/prefix/etc/holdfast.yaml" <<-END
	sandbox:
	  kataShim: $KATA/containerd-shim-kata-v2
	  records: $RECORDS
	  rules: $1
	END
}

# annotated KEY VALUE …: as JSON, with the prefix of CRI
annotated() { jq -nc '[$ARGS.positional | _nwise(2) | {key: ("io.kubernetes.cri." + .[0]), value: .[1]}] | from_entries' --args "$@"; }

# sandbox ID NAMESPACE/NAME [MORE ANNOTATIONS AS JSON]
sandbox() {
	mkdir -p "$BUNDLES/$1"
	annotated container-type sandbox sandbox-id "$1" sandbox-namespace "${2%/*}" sandbox-name "${2#*/}" sandbox-uid "uid-$1" |
		jq -c --argjson more "${3:-{\}}" '{ociVersion: "1.1.0", annotations: (. + $more)}' >"$BUNDLES/$1/config.json"
}

# container ID SANDBOX [MORE ANNOTATIONS AS JSON]
container() {
	mkdir -p "$BUNDLES/$1"
	annotated container-type container sandbox-id "$2" |
		jq -c --argjson more "${3:-{\}}" '{ociVersion: "1.1.0", annotations: (. + $more)}' >"$BUNDLES/$1/config.json"
}

# as_containerd PROGRAM ID FLAGS… ACTION: in the bundle, with containerd's environment and arguments, and our input
as_containerd() {
	local program=$1 id=$2
	shift 2
	cd "$BUNDLES/$id" || return
	exec env -i "PATH=$T/containerd:/usr/bin:/bin" GOMAXPROCS=2 MAX_SHIM_VERSION=2 "TTRPC_ADDRESS=$T/containerd.sock.ttrpc" NAMESPACE=k8s.io \
		"GRPC_ADDRESS=$T/containerd.sock" setsid "$program" -namespace k8s.io -address "$T/containerd.sock" \
		-publish-binary "$T/containerd/containerd" -id "$id" "$@" <"$T/input" 3>&-
}

# shim HANDLER ID FLAGS… ACTION
shim() {
	local handler=$1
	shift
	(as_containerd "$T/prefix/bin/containerd-shim-$handler-v2" "$@")
}

# refused TEXT HANDLER ID ACTION: says so on standard error, which becomes the pod's event; nothing has run, nothing is recorded
refused() {
	local text=$1
	shift
	run --separate-stderr shim "$@"
	echo "$stderr"
	((status == 1))
	[[ $stderr == "containerd-shim-holdfast-v2: "*"$text"* && $stderr != *$'\n'* && -z $output ]]
	[[ ! -e $KATA/recorded && ! -e $BUNDLES/$2/holdfast.json && ! -e $RECORDS/$2.json ]]
}

# The protobuf BootstrapParams of containerd 2.3 and later for sandbox $1, and the pipe that takes its shim's log
bootstrap_for() {
	mkfifo "$BUNDLES/$1/log"
	exec {LOG}<>"$BUNDLES/$1/log"
	string() { printf "\\x$(printf %02x "$1")\\x$(printf %02x ${#2})%s" "$2"; }
	{ string 0x0a "$1"; string 0x12 k8s.io; string 0x32 "$T/containerd.sock"; string 0x4a "$T/s"; } >"$T/input"
}

# wait_for CMD…: at most 10 s
wait_for() {
	local end=$((SECONDS + 10))
	until "$@" 2>/dev/null; do
		((SECONDS < end)) || { echo "waited in vain: $*"; return 1; }
		sleep 0.02
	done
}

record_of() { jq -r "$2" "$RECORDS/$1.json"; }

# ── what reaches Kata's shim ──

@test "Kata's shim gets arguments, environment, directory and unread input of containerd, under its own name" {
	rules '[{backend: kata}]'
	sandbox 5f3a shop/db-0
	local input action
	for input in '' $'\n#containerd.runc.v1.Options' "$(head -c 100000 /dev/zero | tr '\0' x)"; do
		for action in start delete; do
			printf '%s\0\xff' "$input" >"$T/input"
			(as_containerd "$KATA/containerd-shim-kata-v2" 5f3a -debug $action) >"$T/expected"
			rm -rf "$T/direct" && mv "$KATA/recorded" "$T/direct"
			shim holdfast 5f3a -debug $action >"$T/got"
			cmp "$T/input" "$KATA/recorded/stdin"
			rm "$KATA/recorded/pid" "$T/direct/pid"
			diff -r "$T/direct" "$KATA/recorded"
			cmp "$T/expected" "$T/got"
			[[ $(cat "$KATA/recorded/comm") == containerd-shim && $(cat "$KATA/recorded/cwd") == "$BUNDLES/5f3a" ]]
			rm -rf "$KATA/recorded"
		done
	done
}

@test "a rule's configuration reaches Kata as KATA_CONF_FILE, and is all that is added" {
	touch "$T/fc.toml"
	rules "[{backend: kata, kataConfig: $T/fc.toml}]"
	sandbox 5f3a shop/db-0
	shim holdfast 5f3a start
	tr '\0' '\n' <"$KATA/recorded/environ" >"$T/environ"
	grep -qx "KATA_CONF_FILE=$T/fc.toml" "$T/environ"
	(($(wc -l <"$T/environ") == 7))
	container c1 5f3a
	shim holdfast c1 start
	tr '\0' '\n' <"$KATA/recorded/environ" | grep -qx "KATA_CONF_FILE=$T/fc.toml"
}

@test "containers and delete are run in our very process" {
	rules '[{backend: kata}]'
	sandbox 5f3a shop/db-0
	shim holdfast 5f3a start
	container c1 5f3a
	local action pid
	for action in start delete; do
		as_containerd "$T/prefix/bin/containerd-shim-holdfast-v2" c1 $action &
		pid=$!
		wait $pid
		[[ $(cat "$KATA/recorded/pid") == "$pid" ]]
	done
}

@test "status, output and death of the shim are those that containerd sees" {
	rules '[{backend: kata}]'
	sandbox 5f3a shop/db-0
	printf 'no /dev/kvm' >"$KATA/refuse"
	run --separate-stderr shim holdfast 5f3a start
	((status == 3))
	[[ $stderr == "no /dev/kvm" && -z $output && ! -e $RECORDS/5f3a.json ]]
	rm "$KATA/refuse"
	touch "$KATA/die"
	run shim holdfast 5f3a start
	((status == 128 + $(kill -l USR1)))
	[[ ! -e $RECORDS/5f3a.json ]]
}

@test "who kills us kills the shim that is starting, and no record stays" {
	rules '[{backend: kata}]'
	sandbox 5f3a shop/db-0
	touch "$KATA/hang"
	shim holdfast 5f3a start >/dev/null 2>&1 &
	wait_for test -e "$KATA/recorded/stdin"
	local child ours
	child=$(cat "$KATA/recorded/pid")
	ours=$(ps -o ppid= -p "$child")
	kill -KILL "$ours"
	is_gone() { ! kill -0 "$1"; }
	wait_for is_gone "$child"
	[[ ! -e $RECORDS/5f3a.json ]]
	wait || true
}

# ── what is recorded ──

@test "the record names the pod, its backend and the shim that stays, and goes with the sandbox" {
	rules '[{name: all, backend: kata}]'
	sandbox 5f3a shop/db-0
	[[ $(shim holdfast 5f3a start) == unix:///run/containerd/s/recorded ]]
	[[ $(jq -c 'del(.shimPID, .time)' "$RECORDS/5f3a.json") == '{"podUID":"uid-5f3a","namespace":"shop","name":"db-0","backend":"kata"}' ]]
	local pid
	pid=$(record_of 5f3a .shimPID)
	[[ $(readlink "/proc/$pid/exe") == "$KATA/containerd-shim-kata-v2" ]]
	[[ $(record_of 5f3a .time) == "$(date -u +%Y-%m-%dT%H:%M)"* || $(record_of 5f3a .time) == "$(date -u -d '-1 min' +%Y-%m-%dT%H:%M)"* ]]
	[[ $(stat -c %a "$RECORDS/5f3a.json" "$BUNDLES/5f3a/holdfast.json" "$RECORDS") == $'600\n600\n700' ]]
	shim holdfast 5f3a -bundle "$BUNDLES/5f3a" delete
	[[ ! -e $RECORDS/5f3a.json ]]
}

@test "no process of ours stays" {
	rules '[{backend: kata}]'
	sandbox 5f3a shop/db-0
	shim holdfast 5f3a start
	local exe
	for exe in /proc/[0-9]*/exe; do
		[[ $(readlink "$exe" 2>/dev/null) != "$T/prefix/bin/"* ]]
	done
}

@test "all that follows goes where the sandbox went, whatever the rules and annotations say by then" {
	rules '[{namespace: shop, backend: kata}]'
	sandbox 5f3a shop/db-0
	shim holdfast 5f3a start
	container c1 5f3a '{"io.kubernetes.cri.untrusted-workload": "true"}'
	local change
	for change in '[]' '[{backend: vm}]' '[{backend: lxc}]'; do
		rules "$change"
		rm -rf "$KATA/recorded"
		shim holdfast c1 start
		[[ -d $KATA/recorded ]]
		rm -rf "$KATA/recorded"
		shim holdfast c1 -bundle "$BUNDLES/c1" delete
		[[ -d $KATA/recorded ]]
	done
	rm -rf "$KATA/recorded"
	shim holdfast 5f3a -bundle "$BUNDLES/5f3a" delete
	[[ -d $KATA/recorded ]]
}

@test "where holdfast.json is lost the record decides, and where both are the pod's containers do not start" {
	rules '[{backend: kata}]'
	sandbox 5f3a shop/db-0
	shim holdfast 5f3a start
	container c1 5f3a
	rm -r "$BUNDLES/5f3a/holdfast.json" "$KATA/recorded"
	shim holdfast c1 start
	[[ -d $KATA/recorded ]]
	rm -r "$RECORDS/5f3a.json" "$KATA/recorded"
	refused 'what was decided for sandbox 5f3a is lost' holdfast c1 start
}

@test "a sandbox that is older than Holdfast keeps the shim that containerd started it with" {
	rules '[{backend: vm}]'
	sandbox 5f3a shop/db-0
	container c1 5f3a
	printf %s "$KATA/containerd-shim-kata-v2" >"$BUNDLES/5f3a/shim-binary-path"
	shim holdfast c1 start
	[[ -d $KATA/recorded ]]
	rm -r "$KATA/recorded"
	printf %s "$T/prefix/bin/containerd-shim-holdfast-v2" >"$BUNDLES/5f3a/shim-binary-path"
	refused 'what was decided for sandbox 5f3a is lost' holdfast c1 start
}

# ── what is refused ──

@test "a pod that must run in a VM does not start where something for it is missing" {
	sed -i "s|^  records:|  vm: {qemu: /missing/qemu}\n&|" "$T/prefix/etc/holdfast.yaml"
	sandbox 5f3a shop/db-0
	refused 'pod "shop/db-0" must run in vm (handler holdfast-kata): sandbox.vm.qemu: /missing/qemu is no executable' holdfast-kata 5f3a start
	refused 'must run in vm (handler untrusted)' untrusted 5f3a start
	sed -i 's|rules: .*|rules: [{name: tenants, namespace: shop, backend: vm}]|' "$T/prefix/etc/holdfast.yaml"
	refused 'must run in vm (sandbox.rules[0] "tenants")' holdfast 5f3a start
	sed -i 's|rules: .*|rules: []|' "$T/prefix/etc/holdfast.yaml"
	sandbox 5f3b shop/db-1 '{"io.kubernetes.cri.untrusted-workload": "true"}'
	refused 'must run in vm (annotation io.kubernetes.cri.untrusted-workload)' holdfast 5f3b start
}

@test "a pod for Kata does not start where Kata is missing or its configuration cannot be read" {
	rules '[{backend: kata}]'
	sandbox 5f3a shop/db-0
	mv "$KATA/containerd-shim-kata-v2" "$T/kata-shim"
	refused "sandbox.kataShim: $KATA/containerd-shim-kata-v2 is no executable" holdfast 5f3a start
	sed -i /kataShim/d "$T/prefix/etc/holdfast.yaml"
	refused "is not in /opt/kata/bin, /opt/kata/runtime-rs/bin, $T/containerd" holdfast 5f3a start
	mv "$T/kata-shim" "$KATA/containerd-shim-kata-v2"
	rules "[{backend: kata, kataConfig: $T/missing.toml}]"
	refused "cannot read Kata's configuration $T/missing.toml: No such file" holdfast 5f3a start
}

@test "no pod starts by rules that cannot be read" {
	sandbox 5f3a shop/db-0
	rules '[{namespaces: shop, backend: vm}]'
	refused "etc/holdfast.yaml: sandbox.rules[0].namespaces: unknown key \"namespaces\"; did you mean \"namespace\"?" holdfast 5f3a start
	rules '[{'
	refused "etc/holdfast.yaml: " holdfast 5f3a start
}

@test "a bundle that containerd did not make so is refused with the reason" {
	sandbox 5f3a shop/db-0
	mv "$BUNDLES/5f3a/config.json" "$T/config.json"
	refused 'bundle of 5f3a: cannot open config.json' holdfast 5f3a start
	ln -s "$T/config.json" "$BUNDLES/5f3a/config.json"
	refused 'config.json is a symbolic link' holdfast 5f3a start
	rm "$BUNDLES/5f3a/config.json"
	head -c 9000000 /dev/zero >"$BUNDLES/5f3a/config.json"
	refused 'larger than the limit of 8388608 bytes' holdfast 5f3a start
	echo '{"annotations": {"a"' >"$BUNDLES/5f3a/config.json"
	refused 'config.json: line 2, column 1' holdfast 5f3a start
	container 5f3a ../../x
	refused 'sandbox-id "../../x" is none of containerd' holdfast 5f3a start
	sandbox 5f3b shop/db-0
	cp "$BUNDLES/5f3b/config.json" "$BUNDLES/5f3a/"
	refused 'config.json is of sandbox 5f3b, and containerd starts 5f3a' holdfast 5f3a start
	container c1 5f3b
	rm -r "$BUNDLES/5f3b" && ln -s "$T" "$BUNDLES/5f3b"
	refused 'bundle 5f3b' holdfast c1 start
}

@test "a handler that nothing speaks of is refused" {
	ln -s containerd-shim-holdfast-v2 "$T/prefix/bin/containerd-shim-gold-v2"
	sandbox 5f3a shop/db-0
	refused 'no rule says where pods of handler "gold" run' gold 5f3a start
	ln -s containerd-shim-holdfast-v2 "$T/prefix/bin/gold"
	run as_containerd "$T/prefix/bin/gold" 5f3a start
	((status == 1))
	[[ $output == *"called as gold: the name says for which handler"* ]]
}

# ── runc ──

@test "a pod that nothing selects gets runc's own shim and its answer" {
	sandbox 5f3a shop/db-0
	bootstrap_for 5f3a
	shim holdfast 5f3a start >"$T/answer"
	local pid
	pid=$(record_of 5f3a .shimPID)
	[[ $(record_of 5f3a .backend) == runc && $(readlink "/proc/$pid/exe") == "$RUNC_SHIM" ]]
	end_shims
	rm -r "$T/s"
	(as_containerd "$T/containerd/containerd-shim-runc-v2" 5f3a start) >"$T/expected"
	cmp "$T/expected" "$T/answer"
}

@test "a container that is not of a pod is runc's, and has no record" {
	mkdir "$BUNDLES/alone"
	echo '{"ociVersion": "1.1.0"}' >"$BUNDLES/alone/config.json"
	bootstrap_for alone
	shim holdfast alone start | grep -q "unix://$T/s/"
	[[ ! -e $RECORDS ]]
}

# ── delete ──

# To be called in a mount namespace: leaves a rootfs with mounts on and below it, and sees whether delete takes them away.
deletes_mounts() {
	local rootfs=$BUNDLES/5f3a/rootfs
	mkdir -p "$rootfs"
	mount -t tmpfs one "$rootfs"
	mount -t tmpfs two "$rootfs"
	mkdir "$rootfs/below"
	mount -t tmpfs three "$rootfs/below"
	shim holdfast 5f3a -bundle "$BUNDLES/5f3a" delete >"$T/answer" || return
	! grep -qF "$rootfs" /proc/self/mountinfo
}

@test "delete of a VM cleans up, says the task was killed, and can be repeated" {
	sandbox 5f3a shop/db-0
	echo '{"backend": "vm"}' >"$BUNDLES/5f3a/holdfast.json"
	mkdir -p "$RECORDS"
	echo '{"backend": "vm"}' >"$RECORDS/5f3a.json"
	export -f deletes_mounts shim as_containerd
	export BUNDLES T RECORDS KATA
	unshare -m bash -ec deletes_mounts
	[[ $(head -c 3 "$T/answer" | od -An -tx1) == ' 10 89 01' && ! -e $RECORDS/5f3a.json ]]
	shim holdfast 5f3a -bundle "$BUNDLES/5f3a" delete >/dev/null
}

@test "delete cleans up where the shim has gone, where the decision is lost, and where nothing can be read" {
	sandbox 5f3a shop/db-0
	local case
	for case in 'echo {\"backend\":\"kata\"} >holdfast.json' 'rm holdfast.json' 'echo x >holdfast.json' 'rm config.json'; do
		(cd "$BUNDLES/5f3a" && eval "$case")
		rm -f "$KATA/containerd-shim-kata-v2"
		run --separate-stderr shim holdfast 5f3a -bundle "$BUNDLES/5f3a" delete
		echo "$case: $status $stderr"
		((status == 0))
	done
}

@test "delete whose decision is lost goes where the rules send the pod now" {
	rules '[{backend: kata}]'
	sandbox 5f3a shop/db-0
	shim holdfast 5f3a -bundle "$BUNDLES/5f3a" delete
	[[ -d $KATA/recorded ]]
}

# ── for people, and for kubelet ──

@test "route --explain says what was decided, what would be, and by which rule" {
	rules '[{name: tenants, namespace: tenant-*, backend: vm}, {pod: db-?, backend: kata}]'
	sandbox 5f3a shop/db-0
	shim holdfast 5f3a start >/dev/null
	container c1 5f3a
	rules '[{name: tenants, namespace: tenant-*, backend: vm}]'
	run "$T/prefix/bin/containerd-shim-holdfast-v2" route --explain "$BUNDLES/c1" --handler untrusted
	echo "$output"
	((status == 0))
	[[ $output == "bundle   a container's; it follows sandbox 5f3a
pod      shop/db-0, UID uid-5f3a
handler  untrusted
decided  kata (sandbox.rules[1]), by $KATA/containerd-shim-kata-v2
now      vm (handler untrusted)
  sandbox.rules[0] \"tenants\": namespace is \"shop\", not \"tenant-*\"
  built in: handler untrusted → vm" ]]
	printf /x/containerd-shim-holdfast-kata-v2 >"$BUNDLES/5f3a/shim-binary-path"
	run "$T/prefix/bin/containerd-shim-holdfast-v2" route --explain "$BUNDLES/5f3a"
	[[ $output == *"handler  holdfast-kata"* ]]
	run "$T/prefix/bin/containerd-shim-holdfast-v2" route --explain "$BUNDLES/none"
	((status == 1))
}

@test "the rules in the documentation mean what it says" {
	sed -n '/^sandbox:/,/^```/p' "$REPO/docs/sandbox.md" | sed '$d' >"$T/prefix/etc/holdfast.yaml"
	sandbox 1 kube-system/agent
	sandbox 2 tenant-a/web '{"holdfast/sandbox": "vm-small"}'
	sandbox 3 shop/web
	expect() { "$T/prefix/bin/containerd-shim-holdfast-v2" route --explain "$BUNDLES/$1" --handler "$2" | grep -xF "now      $3"; }
	expect 1 holdfast 'runc (sandbox.rules[0] "node agents")'
	expect 2 holdfast 'vm (sandbox.rules[1] "tenants")'
	expect 3 holdfast-kata 'kata (sandbox.rules[2])'
	expect 1 holdfast-kata 'kata (sandbox.rules[2])'
	expect 3 holdfast 'runc (nothing selects it)'
}

@test "-info of a VM handler claims nothing, and that of the others is the shim's own" {
	sandbox 5f3a shop/db-0
	printf '' >"$T/input"
	shim holdfast 5f3a -info >"$T/runc"
	(as_containerd "$T/containerd/containerd-shim-runc-v2" 5f3a -info) >"$T/expected"
	cmp "$T/runc" "$T/expected"
	grep -q userns "$T/runc" || grep -q idmap "$T/runc"
	shim holdfast-kata 5f3a -info >"$T/vm"
	[[ $(head -c 26 "$T/vm" | tail -c 24) == io.containerd.holdfast.v ]]
	! grep -q idmap "$T/vm" || false
	rules '[{handler: holdfast-kata, backend: kata}]'
	shim holdfast-kata 5f3a -info
	[[ -d $KATA/recorded ]]
}

@test "-info finds the shim of runc beside the containerd that asks" {
	cp "$(command -v bash)" "$T/containerd/containerd"
	mkdir "$T/path" && ln -s "$RUNC" "$T/path/runc"
	# shellcheck disable=SC2016
	env -i "PATH=$T/path" "$T/containerd/containerd" -c '"$0" -info; exit $?' "$T/prefix/bin/containerd-shim-holdfast-v2" </dev/null >"$T/got"
	grep -q io.containerd.runc.v2 "$T/got"
	rm "$T/containerd/containerd-shim-runc-v2"
	run env -i "PATH=$T/path" "$T/containerd/containerd" -c '"$0" -info; exit $?' "$T/prefix/bin/containerd-shim-holdfast-v2"
	((status == 1))
	[[ $output == *"is not in $T/path, $T/containerd: install it"* ]]
}

@test "-v says the version" {
	run "$T/prefix/bin/containerd-shim-holdfast-v2" -v
	((status == 0))
	[[ $output == "containerd-shim-holdfast-v2:"*"Version:  "[0-9]* ]]
}
