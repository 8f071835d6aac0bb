#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Sealed secrets on a real Kubernetes: who gets one, who does not and what they are told, and that it stays so through restarts and outages.
# Each node has a software TPM of its own, and our runtime shim: so that a secret may be for pods in VMs only.
export LAB=e2e-tpm
load lib
DISK=$E2E_STATE/disk
export HOLDFAST_LABS=$DISK/labs

setup_file() {
	LAB_OPTIONS=(--holdfast "${HOLDFAST_BUILD:?must be the build directory}" --tpm --shim "$HOLDFAST_BUILD")
	[[ ${E2E_KEEP:-} ]] || lab_down
	build_knock
	learn_nothing
	mountpoint -q "$DISK" || disk_up
	"$CLUSTER/up" --name "$LAB" --nodes 2 --clean-on-failure "${LAB_OPTIONS[@]}" >&2 3>&-
	all_on_image
	{ namespace shop; namespace evil; } | k apply -f - >/dev/null
	for account in shop/db shop/web evil/db; do
		k create serviceaccount -n "${account%/*}" "${account#*/}" >/dev/null 2>&1 || k get serviceaccount -n "${account%/*}" "${account#*/}"
	done
	before_long nodes_are_published
	runtime_class
	head -c 32 /dev/urandom | xxd -p -c 64 | tr -d '\n' >"$E2E_STATE/pw"
	sealed db-password --from-file "password=$E2E_STATE/pw" --allow shop/db
	k get tpmsecret db-password -o yaml >"$E2E_STATE/sealed"
	content_key "$E2E_STATE/sealed" >"$E2E_STATE/key"
}

teardown_file() {
	[[ ! ${E2E_KEEP:-} ]] || return 0
	lab_down
	rm -rf "$E2E_STATE"
}

lab_down() {
	"$CLUSTER/down" --name "$LAB"
	! mountpoint -q "$DISK" || umount "$DISK"
}

# The machines' disk is an image that keeps every block that was ever written to it: all goes through the journal, at once, and the journal
# is longer than all that these tests write. Whether it was long enough is seen by what is written first, and then written over.
disk_up() {
	mkdir -p "$DISK"
	rm -f "$DISK.image" && truncate -s 32G "$DISK.image"
	mkfs.ext4 -q -J size=8192 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard "$DISK.image"
	if ! mount -o loop,data=journal,sync,nobarrier "$DISK.image" "$DISK"; then
		echo "# no loop device here: what is written to disks is not searched" >&3
		return
	fi
	head -c 32 /dev/urandom >"$DISK.first"
	cp "$DISK.first" "$DISK/file"
	head -c 32 /dev/zero 1<>"$DISK/file"
	fsfreeze --freeze "$DISK" && fsfreeze --unfreeze "$DISK" # past the journal too, to where the file is
	rm "$DISK/file"
}

# The machines' /tmp, where containerd puts the commands of `exec`, is on the image too; and to the disk of who runs them nothing can be written.
all_on_image() {
	local machine
	for machine in control node1 node2; do
		mkdir -p "$HOLDFAST_LABS/$LAB/$machine/root/tmp" && chmod 1777 "$HOLDFAST_LABS/$LAB/$machine/root/tmp"
		on_machine "$machine" mount --bind "$HOLDFAST_LABS/$LAB/$machine/root/tmp" /tmp
	done
	caller_disk ro
}

# caller_disk ro|rw
caller_disk() { local machine; for machine in control node1 node2; do on_machine "$machine" mount -o "remount,bind,$1" /; done; }

on_machine() { if [[ $1 == control ]]; then control exec "${@:2}"; else node "${1#node}" exec "${@:2}"; fi; }

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	tpm_errors >errors
}

# A test in which a daemon or its sanitizer logs an error has failed, whatever the pods have.
teardown() {
	[[ ${BATS_TEST_COMPLETED:-} ]] || explain
	control start-apiserver
	for i in 1 2; do
		node $i start containerd
		node $i start swtpm
		node $i tpm-start
		node $i start kubelet
	done
	k delete deployment,replicaset,pod --all -n shop --wait=false >/dev/null
	k delete deployment,replicaset,pod --all -n evil --wait=false >/dev/null
	k wait pod --all -n shop --for=delete --timeout=60s >/dev/null
	k wait pod --all -n evil --for=delete --timeout=60s >/dev/null
	tpm_errors | diff errors -
}

tpm_errors() { for i in 1 2; do grep -sE "level=error|Sanitizer|runtime error" "$(node $i log holdfast-tpm)" || true; done; }

explain() {
	k get pods -A -o wide
	k describe pod -n shop | sed -n '/^Events/,$p'
	for i in 1 2; do tail -n 20 "$(node $i log holdfast-tpm)"; done
}

learn_nothing() { : >"$E2E_STATE/where"; }

# ── what a person does ──

holdfast_tpm() { node "$1" exec /opt/holdfast/bin/holdfast-tpm "${@:2}"; }

nodes_are_published() { [[ $(k get tpmnodes -o name | wc -l) == 2 ]]; }

# seal NAME OPTION…: on a laptop, which has the administrator's kubeconfig and no TPM.
seal() {
	control net env KUBECONFIG="$(control kubeconfig)" "$HOLDFAST_BUILD/bin/holdfast-tpm" seal "$@" 2>"$E2E_STATE/compare"
}

# sealed NAME OPTION…: and applied, and offered by both nodes.
sealed() { apply_sealed "$@" && offered "$1"; }
apply_sealed() { seal "$@" --node "$LAB-1" --node "$LAB-2" | k apply --server-side --force-conflicts -f - >/dev/null; }

offered() { allocatable 1 "$1" 16 && allocatable 2 "$1" 16; }

# allocatable NODE SECRET N: kubelet says that so many containers may ask for it.
allocatable() {
	k wait "node/$LAB-$1" --for="jsonpath={.status.allocatable.tpm\.holdfast/$2}=$3" --timeout=60s >/dev/null
}

# reader NAMESPACE/NAME ACCOUNT SECRET…: a pod that asks for these secrets. SPEC and LABELS as pod's.
reader() {
	local limits=''
	printf -v limits 'tpm.holdfast/%s: 1, ' "${@:3}"
	SPEC="    resources: {limits: {$limits}}
  serviceAccountName: $2
${SPEC:-}" pod "$1" "${NODE:-1}" | k apply -f - >/dev/null
}

starts() {
	k wait pod -n "${1%/*}" "${1#*/}" --for=condition=Ready --timeout=60s >/dev/null &&
		k get pod -n "${1%/*}" "${1#*/}" -o 'jsonpath={.metadata.uid}' >"$E2E_STATE/uid-${1#*/}"
}

# in_pod NAMESPACE/NAME CMD…
in_pod() { k exec -n "${1%/*}" "${1#*/}" -- "${@:2}"; }

SECRETS=/var/run/secrets/tpm.holdfast

# has NAMESPACE/NAME SECRET/FILE PATH: the file in the pod is this one of ours.
has() { in_pod "$1" cat "$SECRETS/$2" | cmp - "$3"; }

# refused NAMESPACE/NAME TEXT: it does not start, and `kubectl describe pod` says this.
refused() {
	PATIENCE=60 before_long described "$@" || { k describe pod -n "${1%/*}" "${1#*/}"; return 1; }
	[[ $(k get pod -n "${1%/*}" "${1#*/}" -o 'jsonpath={.status.containerStatuses[0].started}') != true ]]
}

described() { k describe pod -n "${1%/*}" "${1#*/}" | tr -s ' \n' ' ' | grep -F "$2"; }

# ── the first success ──

@test "a secret that was sealed on a laptop is a file in the pod that it names, and nobody else can read it there" {
	cp "$E2E_STATE/pw" pw
	k get tpmnodes
	seal first --node "$LAB-1" --node "$LAB-2" --from-file password=./pw --allow shop/db >first.yaml
	! grep -F "$(base64 -w0 <"$E2E_STATE/pw")" first.yaml || false
	k apply -f first.yaml
	offered first
	for NODE in 1 2; do
		reader "shop/reader-$NODE" db first
		starts "shop/reader-$NODE"
		has "shop/reader-$NODE" first/password "$E2E_STATE/pw"
	done
	[[ $(in_pod shop/reader-1 stat -L -c '%a %u %g' $SECRETS/first/password) == "400 0 0" ]]
	run in_pod shop/reader-1 sh -c "echo x >$SECRETS/first/password"
	[[ $output == *"Read-only file system"* ]]
	holdfast_tpm 1 list | grep -F shop/reader-1
	k delete tpmsecret first
}

@test "kubectl get tpmnodes says whether each node's TPM is well" {
	k get tpmnodes
	k wait tpmnodes --all --for='jsonpath={.status.state}=Ready' --timeout=30s
	k get tpmnodes | grep -E "^$LAB-1 +IBM .* Ready +[0-9]+ +[1-9]"
}

# ── the curious neighbour ──

@test "a pod of another namespace is refused, with the same account, labels and a forged annotation" {
	LABELS='app: db' reader evil/neighbour db db-password
	refused evil/neighbour 'secret "db-password" is not for namespace "evil": no allow rule names it'
	k annotate pod -n evil neighbour holdfast/secrets=db-password holdfast/namespace=shop
	refused evil/neighbour 'is not for namespace "evil"'
	holdfast_tpm 1 status | grep -F 'not for namespace "evil"'
	grep -F 'not for namespace' "$(node 1 log holdfast-tpm)"
	node 1 exec sh -c '! ls /run/holdfast/vol/*/*/db-password'
}

@test "a pod of another service account is refused, and starts as soon as it has the right one" {
	reader shop/neighbour web db-password
	refused shop/neighbour 'secret "db-password" is not for service account "shop/web": no allow rule names it'
	k delete pod -n shop neighbour
	reader shop/neighbour db db-password
	starts shop/neighbour
}

@test "a pod without the labels that a rule demands is refused" {
	sealed labelled --from-file "password=$E2E_STATE/pw" --allow shop/db,app=db
	LABELS='app: other' reader shop/neighbour db labelled
	refused shop/neighbour 'it lacks the labels'
	LABELS='app: db' reader shop/reader db labelled
	starts shop/reader
	k delete tpmsecret labelled
}

@test "a secret for VM sandboxes reaches the pod that is in one, new versions too, and leaves it; one on runc is refused, whatever it claims" {
	head -c 32 /dev/urandom >new
	sealed for-vm --from-file "password=$E2E_STATE/pw" --allow shop/db --require-sandbox vm
	in_vm shop/vm db for-vm
	reader shop/plain db for-vm
	refused shop/plain 'runs on runc: set runtimeClassName: holdfast-kata'
	k annotate pod -n shop plain io.kubernetes.cri.runtime-handler=holdfast-kata holdfast/sandbox=vm
	starts shop/vm
	[[ $(in_pod shop/vm cat /proc/sys/kernel/osrelease) == *-cloud-amd64 ]]
	has shop/vm for-vm/password "$E2E_STATE/pw"
	run in_pod shop/vm sh -c "echo x >$SECRETS/for-vm/password"
	[[ $output == *"Read-only file system"* ]]
	sealed for-vm --from-file password=new --allow shop/db --require-sandbox vm
	PATIENCE=30 before_long has shop/vm for-vm/password new
	refused shop/plain 'runs on runc'
	k delete tpmsecret for-vm
	PATIENCE=30 before_long has_lost shop/vm for-vm/password
	[[ $(restarts vm) == 0 ]]
}

# in_vm NAMESPACE/NAME ACCOUNT SECRET…: as reader, in a VM.
in_vm() { SPEC='  runtimeClassName: holdfast-kata' reader "$@"; }

@test "a pod that would mount the node's directory of secrets is not even created, and events say why" {
	k apply -f - <<-END
	apiVersion: apps/v1
	kind: ReplicaSet
	metadata: {namespace: evil, name: thief}
	spec:
	  selector: {matchLabels: {thief: "yes"}}
	  template:
	    metadata: {labels: {thief: "yes"}}
	    spec:
	      volumes: [{name: all, hostPath: {path: /run/holdfast/vol}}]
	      containers: [{name: c, image: $AGNHOST_IMAGE, volumeMounts: [{name: all, mountPath: /all}]}]
	END
	PATIENCE=30 before_long evil_event "would open /run/holdfast/ to this pod"
	[[ ! $(k get pods -n evil -l thief -o name) ]]
}

evil_event() { k get events -n evil -o 'jsonpath={.items[*].message}' | grep -F "$1"; }

# ── outages and restarts ──

@test "with the API server away a container that is started again gets its secret, also from a daemon that was started meanwhile" {
	reader shop/reader db db-password
	starts shop/reader
	node 1 tpm-kill # at once: what it must know of the pod was on disk before the container ran
	control stop-apiserver
	node 1 tpm-start
	kill_container shop/reader
	container_is_new shop/reader
	cmp "$(root_of shop/reader)$SECRETS/db-password/password" "$E2E_STATE/pw"
	control start-apiserver
	starts shop/reader
	control stop-apiserver
	kill_container shop/reader
	container_is_new shop/reader
	cmp "$(root_of shop/reader)$SECRETS/db-password/password" "$E2E_STATE/pw"
	control start-apiserver
	starts shop/reader
}

# The pod's container, which is the process that listens; as this machine counts.
container_of() {
	local uid pid
	uid=$(cat "$E2E_STATE/uid-${1#*/}")
	for pid in $(cat /sys/fs/cgroup{,/*}/holdfast-lab/"$LAB"-1/kubepods/besteffort/pod"$uid"/*/cgroup.procs 2>/dev/null | sort -u); do
		if grep -q knock "/proc/$pid/comm"; then echo "$pid"; return; fi
	done
	return 1
}

root_of() { echo "/proc/$(container_of "$1")/root"; }

kill_container() {
	container_of "$1" >old
	kill -KILL "$(cat old)"
}

container_is_new() { PATIENCE=90 before_long other_container "$1"; }
other_container() { local pid; pid=$(container_of "$1") && [[ $pid != "$(cat old)" ]]; }

@test "restarts of kubelet, containerd and the daemon take nothing from running pods, and new pods start afterwards" {
	local daemon
	reader shop/reader db db-password
	starts shop/reader
	for daemon in kubelet containerd; do
		node 1 stop $daemon
		has_by_proc
		node 1 start $daemon
		PATIENCE=60 before_long kubelet_is_up # one that finds no containerd when it starts ends
	done
	node 1 tpm-kill
	has_by_proc
	node 1 tpm-start
	offered db-password
	reader shop/later db db-password
	starts shop/later
	has shop/later db-password/password "$E2E_STATE/pw"
	has shop/reader db-password/password "$E2E_STATE/pw"
	[[ $(restarts reader) == 0 ]]
}

kubelet_is_up() { node 1 net curl -sf -o /dev/null http://127.0.0.1:10248/healthz; }
has_by_proc() { cmp "$(root_of shop/reader)$SECRETS/db-password/password" "$E2E_STATE/pw"; }
restarts() { k get pod -n shop "$1" -o 'jsonpath={.status.containerStatuses[*].restartCount}'; }

@test "after a reboot the pod has its secret again, by the allocation that kubelet remembers" {
	local try
	for try in 1 2 3; do
		reader shop/reader db db-password
		starts shop/reader
		reboot
		PATIENCE=120 before_long started_again_or_rejected shop/reader
		! is_rejected shop/reader || { k delete pod -n shop reader && continue; }
		starts shop/reader
		has shop/reader db-password/password "$E2E_STATE/pw"
		return
	done
	false
}

# A kubelet that starts may judge its pods before it has heard of their devices (docs/secrets.md). How often, is up to the machine's load.
is_rejected() { [[ $(k get pod -n "${1%/*}" "${1#*/}" -o 'jsonpath={.status.reason}') == UnexpectedAdmissionError ]]; }
started_again_or_rejected() { other_container "$1" || is_rejected "$1"; }

# What a reboot takes from node 1: all processes of pods, what the TPM had loaded, and all of /run/holdfast.
reboot() {
	container_of shop/reader >old
	node 1 stop kubelet
	node 1 tpm-kill
	node 1 agent-kill
	node 1 exec sh -c 'ctr -n k8s.io task ls -q | xargs -rn 1 ctr -n k8s.io task kill --all -s KILL' || true
	node 1 stop containerd
	node 1 stop swtpm
	node 1 exec sh -c 'umount /run/holdfast/vol && rm -rf /run/holdfast'
	node 1 start swtpm
	node 1 start containerd
	node 1 agent-start
	node 1 tpm-start
	node 1 start kubelet
}

# ── ways to ask ──

@test "one pod has two secrets, two of its containers the same one, and an init container has it before them" {
	printf 'second\n' >second
	sealed other --from-file file=second --allow 'shop/*'
	SPEC="  - name: sidecar
    image: $AGNHOST_IMAGE
    command: [sh, -c, 'sleep 3600']
    resources: {limits: {tpm.holdfast/db-password: 1}}
  initContainers:
  - name: first
    image: $AGNHOST_IMAGE
    command: [sh, -c, 'test -s $SECRETS/db-password/password']
    resources: {limits: {tpm.holdfast/db-password: 1}}" reader_with_more shop/reader db db-password other
	starts shop/reader
	has shop/reader db-password/password "$E2E_STATE/pw"
	has shop/reader other/file second
	k exec -n shop reader -c sidecar -- cat $SECRETS/db-password/password | cmp - "$E2E_STATE/pw"
	k delete tpmsecret other
}

# As reader, with SPEC directly behind its container.
reader_with_more() {
	local limits
	printf -v limits 'tpm.holdfast/%s: 1, ' "${@:3}"
	SPEC="    resources: {limits: {$limits}}
$SPEC
  serviceAccountName: $2" pod "$1" 1 | k apply -f - >/dev/null
}

@test "a pod gets what its annotation lists by the general resource, and a list with one that it may not have is refused" {
	printf 'second\n' >second
	sealed other --from-file file=second --allow shop/db
	general listed db-password,other
	starts shop/listed
	in_pod shop/listed cat $SECRETS/secrets/db-password/password | cmp - "$E2E_STATE/pw"
	in_pod shop/listed cat $SECRETS/secrets/other/file | cmp - second
	sealed not-theirs --from-file file=second --allow evil/db
	general greedy db-password,not-theirs
	refused shop/greedy 'secret "not-theirs" is not for namespace "shop"'
	k delete tpmsecret other not-theirs
}

general() {
	SPEC="    resources: {limits: {tpm.holdfast/secrets: 1}}
  serviceAccountName: db" pod "shop/$1" 1 | sed "s|^metadata: {|&annotations: {holdfast/secrets: \"$2\"}, |" | k apply -f - >/dev/null
}

@test "a Deployment rolls over, and every one of its pods has the secret" {
	k apply -f - <<-END
	apiVersion: apps/v1
	kind: Deployment
	metadata: {namespace: shop, name: web}
	spec:
	  replicas: 4
	  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
	  selector: {matchLabels: {web: "yes"}}
	  template:
	    metadata: {labels: {web: "yes"}}
	    spec:
	      serviceAccountName: db
	      terminationGracePeriodSeconds: 1
	      containers:
	      - name: c
	        image: $AGNHOST_IMAGE
	        command: [sh, -c, "test -s $SECRETS/db-password/password && exec sleep 3600"]
	        resources: {limits: {tpm.holdfast/db-password: 1}}
	END
	k rollout status -n shop deployment/web --timeout=90s
	k rollout restart -n shop deployment/web
	k rollout status -n shop deployment/web --timeout=90s
	local pod pods
	pods=$(k get pods -n shop -l web -o json | jq -r '.items[].metadata | select(.deletionTimestamp == null).name') # the others go
	[[ $(wc -w <<<"$pods") == 4 ]]
	for pod in $pods; do has "shop/$pod" db-password/password "$E2E_STATE/pw"; done
}

# ── change ──

@test "a new version reaches a running pod without a restart, and never half" {
	head -c 300000 /dev/zero | tr '\0' a >old-file
	head -c 250000 /dev/zero | tr '\0' b >new-file
	sealed turning --from-file file=old-file --allow shop/db
	reader shop/reader db turning
	starts shop/reader
	k exec -n shop reader -- sh -c "while :; do md5sum <$SECRETS/turning/file; done" >seen 3>&- &
	local watcher=$!
	before_long test -s seen
	sealed turning --from-file file=new-file --allow shop/db
	PATIENCE=30 before_long has shop/reader turning/file new-file
	before_long seen_twice "$(md5sum <new-file)"
	kill $watcher
	[[ $(head -n -1 seen | sort -u) == $({ md5sum <old-file; md5sum <new-file; } | sort) ]]
	[[ $(restarts reader) == 0 ]]
	k delete tpmsecret turning
}

seen_twice() { (($(grep -cFx "$1" seen) > 1)); }

@test "an earlier version does not come back, not even from whoever rules the API server" {
	printf one >one
	printf two >two
	seal returning --node "$LAB-1" --from-file file=one --allow shop/db --version 1 >one.yaml
	sealed returning --from-file file=two --allow shop/db --version 2
	reader shop/reader db returning
	starts shop/reader
	k delete tpmsecret returning
	k apply -f one.yaml # what the CRD refuses to replace, made anew
	PATIENCE=30 before_long list_says "version 2 was here before: seal it again with a later one"
	PATIENCE=30 before_long has_lost shop/reader returning/file
	k delete pod -n shop reader
	reader shop/again db returning
	kept_from shop/again
	k delete tpmsecret returning
}

# kept_from NAMESPACE/NAME: kubelet did not take it, or its container does not start; the pod says why.
kept_from() { PATIENCE=60 before_long has_failed "$1" || { k describe pod -n "${1%/*}" "${1#*/}"; return 1; }; }
has_failed() {
	k get pod -n "${1%/*}" "${1#*/}" -o json | jq -e '.status | .phase == "Failed" or any(.containerStatuses[]?; .state.waiting.reason // "" |
		test("Error"))'
}

list_says() { holdfast_tpm 1 list | grep -F "$1"; }

@test "a secret that is deleted is gone from the pods that had it, and from the node" {
	sealed short-lived --from-file "password=$E2E_STATE/pw" --allow shop/db
	reader shop/reader db short-lived
	starts shop/reader
	has shop/reader short-lived/password "$E2E_STATE/pw"
	k delete tpmsecret short-lived
	PATIENCE=30 before_long has_lost shop/reader short-lived/password
	[[ $(restarts reader) == 0 ]]
}

has_lost() { in_pod "$1" sh -c "! test -e $SECRETS/$2"; }

@test "what a pod had is overwritten and removed when it is gone" {
	reader shop/reader db db-password
	starts shop/reader
	node 1 exec sh -c 'ls -d /run/holdfast/vol/*/*/db-password'
	k delete pod -n shop reader
	PATIENCE=90 before_long volumes_are_empty
}

volumes_are_empty() { node 1 exec sh -c '! ls -d /run/holdfast/vol/*/*/*'; }

# ── the nosy operator ──

# remnants SECRET-FILE… -- PATH-OR-PID…: what says where any part of these is.
remnants() { "$HOLDFAST_BUILD/tests/support/remnants" "$@"; }

# It has looked everywhere, and found nothing.
no_remnants() {
	local status=0
	remnants "$@" || status=$?
	((status == 1))
}

@test "no plaintext and no content key is in etcd, kubelet's, containerd's and our own files, logs, or the daemon's memory" {
	local pid places
	head -c 32 /dev/urandom >marker
	sealed nosy --from-file file=marker --allow shop/db
	k get tpmsecret nosy -o yaml >nosy.yaml
	content_key nosy.yaml >key
	reader shop/reader db nosy
	starts shop/reader
	has shop/reader nosy/file marker
	pid=$(daemon_pid)
	# The search finds what is there: the file in the pod, and the node's name in the memory of the daemon.
	printf '%s' "$LAB-1" >known
	remnants marker -- "$(root_of shop/reader)$SECRETS/nosy/"
	remnants known -- "$pid"
	places=("$HOLDFAST_LABS/$LAB"/{control,node1,node2}/{root,log} "/proc/$(node 1 pid)/root/run/containerd")
	no_remnants marker key "$E2E_STATE/pw" -- "${places[@]}"
	before_long no_remnants marker key -- "$pid" # a key may serve others for `reuse`
	k delete tpmsecret nosy
}

daemon_pid() { pgrep --nslist pid --ns "$(node 1 pid)" -x holdfast-tpm; }

# content_key MANIFEST: as node 2's own TPM releases it, with its daemon out of the way.
content_key() {
	node 2 tpm-stop
	install "$HOLDFAST_BUILD/tests/support/unseal" "$HOLDFAST_LABS/$LAB/node2/root/opt/holdfast/bin/"
	node 2 exec /opt/holdfast/bin/unseal swtpm:path=/run/swtpm.sock /var/lib/holdfast/tpm "$LAB-2" <"$1" |
		sed -n 's/^key //p' | xxd -r -p
	node 2 tpm-start
}

@test "a daemon that crashes leaves no core, and pods keep what they have" {
	local pid
	reader shop/reader db db-password
	starts shop/reader
	pid=$(daemon_pid)
	grep -E '^Max core file size +0 +0 ' "/proc/$pid/limits"
	[[ $(stat -c %U "/proc/$pid/mem") == root ]]
	caller_disk rw # where a core would be
	kill -SEGV "$pid"
	before_long test ! -e "/proc/$pid"
	node 1 exec sh -c '! ls /core* /var/lib/holdfast/core* /run/holdfast/core*'
	caller_disk ro
	has shop/reader db-password/password "$E2E_STATE/pw"
	node 1 tpm-start
	reader shop/later db db-password
	starts shop/later
}

# ── revoke: last, since all that was sealed for node 1 is lost by it ──

@test "after revoke the node releases nothing, also not to who had it, and sealing again arms it" {
	local before
	before=$(hold)
	reader shop/reader db db-password
	in_vm shop/vm db db-password
	starts shop/reader
	starts shop/vm
	has shop/vm db-password/password "$E2E_STATE/pw"
	holdfast_tpm 1 revoke --yes
	PATIENCE=30 before_long has_lost shop/reader db-password/password
	PATIENCE=30 before_long has_lost shop/vm db-password/password
	k delete pod -n shop reader
	reader shop/later db db-password
	kept_from shop/later
	NODE=2 reader shop/elsewhere db db-password
	starts shop/elsewhere
	PATIENCE=60 before_long hold_is $((before + 1))
	allocatable 1 db-password 0
	k delete pod -n shop later
	apply_sealed db-password --from-file "password=$E2E_STATE/pw" --allow shop/db
	before_long usable db-password
	reader shop/again db db-password # at once: whom kubelet does not admit it never asks about again
	starts shop/again
	has shop/again db-password/password "$E2E_STATE/pw"
}

hold() { k get tpmnode "$LAB-1" -o 'jsonpath={.spec.hold.value}'; }
usable() { holdfast_tpm 1 list "$1" >/dev/null; }
hold_is() { [[ $(hold) == "$1" ]]; }

# ── and what of all this has come to a disk ──

@test "no block that these tests have written to a disk had anything of the plaintext or the content key" {
	mountpoint -q "$DISK" || skip "no loop device here"
	# What was deleted at once is found, and what was written over before all else.
	head -c 32 /dev/urandom >deleted
	cp deleted "$DISK/deleted" && rm "$DISK/deleted"
	remnants deleted -- "$DISK.image"
	du -m "$DISK.image"
	remnants "$DISK.first" -- "$DISK.image" || { echo "what was written first is lost: make the journal longer"; false; }
	no_remnants "$E2E_STATE/pw" "$E2E_STATE/key" -- "$DISK.image"
}
