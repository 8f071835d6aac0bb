# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the end-to-end tests are written in: policies, and tables of who reaches whom.
#
#	policy red deny '{podSelector: {}, policyTypes: [Ingress]}'
#	eventually <<-END
#	blue/a -> red/a:80      no
#	red/a -> blue/a:80/udp  yes
#	END
#
# A line is asked in both families; "/tcp4" or "/udp6" ask in one. "no" means silence: a refusal is as wrong as an answer. A
# name is a pod or Service (namespace/name), a machine (node1, node2, control) or an address.
#
# Probes enter the network of the pod and not the pod: they then need neither API server nor kubelet, which some tests take
# away, and a table costs one process per source instead of one `kubectl exec` per line.

E2E=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
CLUSTER=$E2E/../cluster
LAB=${LAB:-e2e}
E2E_STATE=/var/tmp/holdfast-$LAB
ANSWER_MS=500
# shellcheck source=tests/cluster/images/names
. "$CLUSTER/images/names"

k() { "$CLUSTER/kubectl" --name "$LAB" "$@"; }
node() { "$CLUSTER/node" --name "$LAB" "$@"; }
control() { "$CLUSTER/control" --name "$LAB" "$@"; }
holdfast_net() { node "$1" exec /opt/holdfast/bin/holdfast-net "${@:2}"; }

lab_options() {
	LAB_OPTIONS=()
	[[ ! ${E2E_WITHOUT_HOLDFAST:-} ]] || return 0
	LAB_OPTIONS=(--holdfast "${HOLDFAST_BUILD:?must be the build directory}")
}

# Pods find it in a directory of the machine: so it needs no image of its own.
build_knock() {
	mkdir -p "$E2E_STATE"
	gcc -std=gnu17 -O2 -Wall -Wextra -Werror -static -s -o "$E2E_STATE/knock.new" "$E2E"/knock*.c &&
		mv "$E2E_STATE/knock.new" "$E2E_STATE/knock"
}

# --- objects ---

namespace() { printf -- '---\napiVersion: v1\nkind: Namespace\nmetadata: {name: "%s", labels: {ns: "%s"}}\n' "$1" "$1"; }

# pod NAMESPACE/NAME NODE [PORT-OF-THE-NAME-web]: one that answers on 80, 81 and 90. LABELS adds labels, PORTS are others to
# answer on, GRACE is the grace period, SPEC adds lines at the end: two spaces before what belongs to the pod, four before
# what belongs to its container.
pod() {
	cat <<-END
	---
	apiVersion: v1
	kind: Pod
	metadata: {namespace: "${1%/*}", name: "${1#*/}", labels: {pod: "${1#*/}"${LABELS:+, $LABELS}}}
	spec:
	  nodeName: $LAB-$2
	  terminationGracePeriodSeconds: ${GRACE:-1}
	  automountServiceAccountToken: false
	  enableServiceLinks: false
	  volumes: [{name: knock, hostPath: {path: "$E2E_STATE"}}]
	  containers:
	  - name: serve
	    image: $AGNHOST_IMAGE
	    command: [/e2e/knock, serve, ${PORTS:-"'80', '81', '90'"}]
	    volumeMounts: [{name: knock, mountPath: /e2e, readOnly: true}]
	    ports: [{name: web, containerPort: ${3:-80}}, {name: dns, containerPort: 90, protocol: UDP}]
	${SPEC:-}
	END
}

# world NODES: the pods that every test finds. Where there are two nodes, each has a neighbour on its node and one in its
# namespace, and they are not the same.
world() {
	{
		namespace red
		namespace blue
		namespace green
		pod red/a 1 80
		pod red/b "$1" 81
		pod blue/a "$1" 80
		pod blue/b 1 81
	} | k apply -f - >/dev/null || return
	learn_machines >"$E2E_STATE/where"
	ready red
	ready blue
	account green
}

# ready NAMESPACE: waits for all of its pods that do not end by themselves, and learns where they are.
ready() {
	k wait pod -n "$1" -l '!ends' --for=condition=Ready --timeout=60s >/dev/null || { k describe pod -n "$1"; return 1; }
	learn "$1"
}

policy() {
	k apply -f - >/dev/null <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: "$1", name: "$2"}
	spec: $3
	END
}

# service NAMESPACE/NAME POD PORT TARGET [TYPE]: of both families.
service() {
	k apply -f - >/dev/null <<-END
	apiVersion: v1
	kind: Service
	metadata: {namespace: "${1%/*}", name: "${1#*/}"}
	spec:
	  type: ${5:-ClusterIP}
	  ipFamilyPolicy: RequireDualStack
	  selector: {pod: "$2"}
	  ports: [{name: tcp, port: $3, targetPort: $4}, {name: udp, port: $3, targetPort: $4, protocol: UDP}]
	END
	learn "${1%/*}"
}

# For pods in VMs. deploy/manifests has it too, for nodes with a label that no test gives them.
runtime_class() {
	k apply -f - <<-END
	apiVersion: node.k8s.io/v1
	kind: RuntimeClass
	metadata: {name: holdfast-kata}
	handler: holdfast-kata
	overhead: {podFixed: {memory: 256Mi}}
	END
}

# Pods are refused until it is there.
account() { k wait serviceaccount/default -n "$1" --for=create --timeout=20s >/dev/null; }

# The namespace green is for the pods that one test makes.
clear_green() { k delete pod --all -n green >/dev/null; }

start_pod() { pod "$@" | k apply -f - >/dev/null && ready "${1%/*}"; }

# --- where things are: lines "NAME PID IPV4 IPV6"; Services have no PID ---

learn() {
	local table=$E2E_STATE/where uid on name address4 address6
	grep -v "^$1/" "$table" >"$table.new"
	while read -r name uid on address4 address6; do
		echo "$1/$name $(pid_of "$uid" "$on") $address4 $address6"
	done >>"$table.new" < <(k get pod -n "$1" -o \
		'jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.spec.nodeName} {.status.podIPs[*].ip}{"\n"}{end}')
	k get service -n "$1" -o 'jsonpath={range .items[*]}'"$1"'/{.metadata.name} - {.spec.clusterIPs[*]}{"\n"}{end}' >>"$table.new"
	mv "$table.new" "$table"
}

# As this machine counts, not the node: the control groups are the same.
pid_of() { cat /sys/fs/cgroup{,/*}/holdfast-lab/"$2"/kubepods/{besteffort,burstable}/pod"$1"/*/cgroup.procs 2>/dev/null | head -n 1; }

# The machines of the lab, in the lab's own words.
learn_machines() (
	. "$CLUSTER/lib.sh"
	set_name "$LAB"
	echo "control $(holder control) $CONTROL4 $CONTROL6"
	for i in $(seq "$(cat "$(lab)/nodes")"); do echo "node$i $(holder "node$i") $(node4 "$i") $(node6 "$i")"; done
)

# where NAME FIELD: pid, 4 or 6
where() {
	awk -v name="$1" -v field="$2" '$1 == name { print $(field == "pid" ? 2 : field == 4 ? 3 : 4); found = 1 } END { exit !found }' \
		"$E2E_STATE/where" || echo "there is no $1 in $E2E_STATE/where" >&2
}

# inside NAME CMD…: in its network, with this machine's files.
inside() { nsenter --target "$(where "$1" pid)" --net -- "${@:2}"; }

# --- who reaches whom ---

eventually() { settle "${PATIENCE:-10}"; }
at_once() { settle 0; }

# before_long CMD…: until it succeeds.
before_long() {
	local end=$((SECONDS + ${PATIENCE:-10}))
	until "$@"; do ((SECONDS < end)) || return 1; done
}

# targets TO: what knock is to try for "red/a:80/udp4": "udp:10.244.1.2:80".
targets() {
	local to=$1 protocol=tcp families='4 6' host port family
	if [[ $to == */tcp[46] || $to == */udp[46] ]]; then families=${to: -1} to=${to%?}; fi
	if [[ $to == */tcp || $to == */udp ]]; then protocol=${to##*/} to=${to%/*}; fi
	host=${to%:*} port=${to##*:}
	if [[ $host == \[*\] || $host =~ ^[0-9.]+$ ]]; then
		host=${host#[}
		echo "$protocol:${host%]}:$port"
		return
	fi
	for family in $families; do echo "$protocol:$(where "$host" "$family"):$port"; done
}

# For `knock fire` and `knock watch`: the words for all of these.
all_targets() { local to; for to; do targets "$to"; done; }

# watch N FROM TO…: probes all the time, in the background.
watch() {
	local targets
	mapfile -t targets < <(all_targets "${@:3}")
	nsenter --target "$(where "$2" pid)" --net -- "$E2E_STATE/knock" watch "$ANSWER_MS" "${targets[@]}" >"$E2E_STATE/watch-$1" 3>&- &
	echo $! >"$E2E_STATE/watch-$1.pid"
}

# end_watch N: lines "TRIED OPEN TARGET" in watch-N. The last attempts are waited for.
end_watch() {
	local pid
	[[ -e $E2E_STATE/watch-$1.pid ]] || return 0
	pid=$(cat "$E2E_STATE/watch-$1.pid")
	kill "$pid" 2>/dev/null || true
	wait "$pid" || true
	rm "$E2E_STATE/watch-$1.pid"
}

never_open() { awk '{ print } $2 > 0 || $1 < 20 { bad = 1 } END { exit bad || NR != 4 }' "$E2E_STATE/watch-$1"; }
always_open() { awk '{ print } $1 != $2 || $1 < 20 { bad = 1 } END { exit bad || NR != 4 }' "$E2E_STATE/watch-$1"; }

# ask FROM TARGET…: asks all at once; knock's lines, the source before each.
ask() { inside "$1" "$E2E_STATE/knock" to "$ANSWER_MS" "${@:2}" | sed "s|^|$1 |"; }

# settle SECONDS: the table on stdin must hold at the same time, at once or until then.
settle() {
	local end=$((SECONDS + $1)) from arrow to want target wrong answers
	local -A asked=()
	local -a expected=()
	while read -r from arrow to want; do
		[[ $from && $from != '#'* ]] || continue
		[[ $arrow == '->' && $want == @(yes|no) ]] || { echo "cannot read: $from $arrow $to $want"; return 2; }
		for target in $(targets "$to"); do
			asked[$from]+=" $target"
			expected+=("$from $target $want $to")
		done
	done
	((${#expected[@]})) || { echo "the table is empty"; return 2; }
	until
		# shellcheck disable=SC2086
		answers=$(for from in "${!asked[@]}"; do ask "$from" ${asked[$from]} & done; wait)
		wrong=$(printf '%s\n' "${expected[@]}" | awk -v answers="$answers" '
			BEGIN { n = split(answers, line, "\n"); for (i = 1; i <= n; i++) { split(line[i], f, " "); got[f[1] " " f[3]] = f[2] } }
			got[$1 " " $2] != ($3 == "yes" ? "open" : "silent") {
				print $1 " -> " $4 " (" $2 "): wanted " $3 ", is " (($1 " " $2) in got ? got[$1 " " $2] : "unknown") }')
		[[ ! $wrong ]]
	do
		((SECONDS < end)) || { echo "$wrong"; return 1; }
	done
}

# Every pod reaches every other: no policy is left, and the probes work.
open_world() {
	local from to
	for from in red/a red/b blue/a blue/b; do
		for to in red/a red/b blue/a blue/b; do
			[[ $from == "$to" ]] || printf '%s -> %s:80 yes\n%s -> %s:80/udp yes\n' "$from" "$to" "$from" "$to"
		done
	done | eventually
}

# --- first packets ---

# received POD: TCP segments and UDP datagrams of both families since its namespace was made.
received() { cat "/proc/$(where "$1" pid)/net"/snmp{,6} | count_received; }

count_received() {
	awk '$1 == "Tcp:" && $2 != "RtoAlgorithm" { n += $11 }
		$1 == "Udp:" && $2 != "InDatagrams" { n += $2 + $3 + $4 }
		/^Udp6(InDatagrams|NoPorts|InErrors) / { n += $2 }
		END { print n }'
}

# sender NAMESPACE/NAME NODE TO: its two families and protocols, for half a second, before the pod is ready.
sender() {
	local target targets=''
	for target in $(all_targets "$3:80" "$3:80/udp"); do targets+=", '$target'"; done
	LABELS=${LABELS:-} SPEC="  initContainers:
  - {name: fire, image: '$AGNHOST_IMAGE', command: [/e2e/knock, fire, '500'$targets], volumeMounts: [{name: knock, mountPath: /e2e}]}" \
		pod "$1" "$2" | k apply -f - >/dev/null
}

# --- around every test ---

setup() { lib_setup; }
teardown() { lib_teardown; }

# For a test file with a setup or teardown of its own.
lib_setup() {
	errors >"$BATS_TEST_TMPDIR/errors"
	open_world
}

# A test in which an agent or its sanitizer logs an error has failed, whatever the packets did.
lib_teardown() {
	[[ ${BATS_TEST_COMPLETED:-} ]] || explain_failure
	k delete networkpolicy --all --all-namespaces >/dev/null
	errors | diff "$BATS_TEST_TMPDIR/errors" -
}

errors() { for i in 1 2; do grep -sE "level=error|Sanitizer|runtime error" "$(node $i log holdfast-net)" || true; done; }

explain_failure() {
	k get pods -A -o wide --show-labels
	k get networkpolicy -A -o jsonpath='{range .items[*]}{.metadata.namespace}/{.metadata.name} {.spec}{"\n"}{end}'
	[[ ${E2E_WITHOUT_HOLDFAST:-} ]] || for i in 1 2; do tail -n 20 "$(node "$i" log holdfast-net)"; done
}
