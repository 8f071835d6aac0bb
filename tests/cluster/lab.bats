#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a lab promises, with two nodes: the pods reach each other by every address they have, the API
# server can go and come, and `down` leaves nothing. LAB_PLUGIN=bridge chooses the other plugin.
# shellcheck disable=SC2154

HERE=$(dirname "$(readlink -f "$BATS_TEST_FILENAME")")

k() { "$HERE/kubectl" --name "$NAME" "$@"; }

setup_file() {
	export PLUGIN=${LAB_PLUGIN:-ptp} CONTAINERD=${LAB_CONTAINERD:-2} PROXY=${LAB_KUBE_PROXY:-nftables}
	export NAME=self-$PLUGIN-${CONTAINERD/./-}-$PROXY
	[[ $EUID -eq 0 ]] || skip "needs root"
	"$HERE/down" --name "$NAME"
	leftovers >"$BATS_FILE_TMPDIR/before"
	"$HERE/up" --name "$NAME" --nodes 2 --main-plugin "$PLUGIN" --containerd "$CONTAINERD" --kube-proxy "$PROXY" --clean-on-failure >&2
	pods
}

teardown_file() { "$HERE/down" --name "$NAME"; }

pods() {
	local i
	for i in 1 2; do
		cat <<-END
		apiVersion: v1
		kind: Pod
		metadata: {name: "web$i", labels: {app: "web$i"}}
		spec:
		  nodeName: $NAME-$i
		  terminationGracePeriodSeconds: 0
		  containers:
		  - {name: web, image: "registry.k8s.io/e2e-test-images/agnhost:2.63.0", args: [netexec, --http-port=8080]}
		---
		apiVersion: v1
		kind: Service
		metadata: {name: "web$i"}
		spec:
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: "web$i"}
		  ports: [{port: 80, targetPort: 8080}]
		---
		END
	done | k apply -f - >&2
	k wait pod --all --for=condition=Ready --timeout=60s >&2
}

# What a lab may leave on the machine: processes, mounts, cgroups, files; namespaces are asked about by number.
leftovers() {
	pgrep -fa "holdfast-lab/$NAME" || true
	grep -F holdfast-lab /proc/self/mountinfo || true
	find /sys/fs/cgroup -path '*holdfast-lab*' -name "$NAME*" 2>/dev/null || true
	ls -d "/var/tmp/holdfast-lab/$NAME" /etc/cni /opt/cni /var/lib/kubelet /var/lib/containerd /run/containerd 2>/dev/null || true
}

descendants() {
	local child
	echo "$1"
	for child in $(pgrep -P "$1"); do descendants "$child"; done
}

namespaces() {
	local pid
	for pid in $(descendants "$("$HERE/node" "$NAME-1" pid)"; descendants "$("$HERE/node" "$NAME-2" pid)"); do
		stat -L -c %i "/proc/$pid/ns"/{mnt,net,pid,uts} 2>/dev/null || true
	done | sort -u
}

pod_ip() { k get pod "$1" -o "jsonpath={.status.podIPs[$2].ip}"; }
service_ip() { k get service "$1" -o "jsonpath={.spec.clusterIPs[$2]}"; }

# connect POD ADDRESS PORT
connect() { k exec "$1" -- /agnhost connect "$([[ $2 == *:* ]] && echo "[$2]:$3" || echo "$2:$3")" --timeout=3s; }

# eventually CMD…: an endpoint reaches the other node's proxy a moment after the pod is ready.
eventually() {
	local end=$((SECONDS + 10))
	until "$@"; do ((SECONDS < end)) || return 1; done
}

@test "both nodes are ready and dual stack" {
	run k get nodes -o 'jsonpath={range .items[*]}{.spec.podCIDRs}{.status.addresses[*].type}{"\n"}{end}'
	[[ $output == *'"10.244.1.0/24","fd44:0:0:1::/64"'*InternalIP\ InternalIP* ]]
	[[ $output == *'"10.244.2.0/24","fd44:0:0:2::/64"'* ]]
}

@test "what runs is what was asked for" {
	local i
	run k get nodes -o 'jsonpath={range .items[*]}{.status.nodeInfo.containerRuntimeVersion} {end}'
	[[ $output =~ ^"containerd://$CONTAINERD."[^\ ]+" containerd://$CONTAINERD."[^\ ]+" "$ ]]
	for i in 1 2; do
		[[ $("$HERE/node" "$NAME-$i" exec curl -fsS http://127.0.0.1:10249/proxyMode) == "$PROXY" ]]
		"$HERE/node" "$NAME-$i" exec grep -q "\"type\": \"$PLUGIN\"" /etc/cni/net.d/10-lab.conflist
	done
}

@test "what is not there is refused before anything is made" {
	local words
	for words in "--containerd 1.5" "--main-plugin flannel" "--kube-proxy ipvs" "--nodes 3"; do
		# shellcheck disable=SC2086
		run "$HERE/up" --name "$NAME-not" $words
		[[ $status == 1 && $output == *"${words##* }"* && ! -e /var/tmp/holdfast-lab/$NAME-not ]]
	done
}

@test "a pod reaches a pod of the other node by IPv4 and IPv6" {
	connect web1 "$(pod_ip web2 0)" 8080
	connect web1 "$(pod_ip web2 1)" 8080
	connect web2 "$(pod_ip web1 0)" 8080
	connect web2 "$(pod_ip web1 1)" 8080
}

@test "a pod reaches a Service of the other node, and its own, by IPv4 and IPv6" {
	local i
	for i in 0 1; do
		eventually connect web1 "$(service_ip web2 $i)" 80
		eventually connect web2 "$(service_ip web1 $i)" 80
		eventually connect web1 "$(service_ip web1 $i)" 80
	done
}

@test "a client outside the cluster and the own node reach a pod" {
	local agnhost
	agnhost=$("$HERE/build" --print-path agnhost)
	"$HERE/control" --name "$NAME" exec "$agnhost" connect "$(pod_ip web1 0):8080" --timeout=3s
	"$HERE/node" "$NAME-1" exec "$agnhost" connect "[$(pod_ip web1 1)]:8080" --timeout=3s
}

@test "exec and logs work" {
	[[ $(k exec web1 -- hostname) == web1 ]]
	[[ $(k logs web1) == *"Started HTTP server on port 8080"* ]]
}

@test "a pod starts without waiting for duplicate addresses" {
	[[ $CONTAINERD != 1.6 ]] || skip "containerd 1.6 runs loopback, which turns that off, and the chain at the same time"
	[[ $(k exec web1 -- cat /proc/sys/net/ipv6/conf/eth0/accept_dad) == 0 ]]
}

@test "the API server can go and come; the data stays and the pods go on" {
	local ip
	ip=$(pod_ip web1 0)
	"$HERE/control" --name "$NAME" stop-apiserver
	run k get --raw /readyz
	((status != 0))
	"$HERE/node" "$NAME-2" exec "$("$HERE/build" --print-path agnhost)" connect "$ip:8080" --timeout=3s
	"$HERE/control" --name "$NAME" start-apiserver
	[[ $(pod_ip web1 0) == "$ip" ]]
}

@test "kubelet and containerd can be stopped and started; the pods go on" {
	"$HERE/node" "$NAME-1" stop kubelet
	"$HERE/node" "$NAME-1" stop containerd
	connect web2 "$(pod_ip web1 0)" 8080
	"$HERE/node" "$NAME-1" start containerd
	"$HERE/node" "$NAME-1" start kubelet
	eventually connect web1 "$(pod_ip web2 0)" 8080
}

@test "a node loses its power: what it keeps on disk is there afterwards, and its pods start anew" {
	"$HERE/node" "$NAME-1" exec sh -c 'echo kept >/opt/holdfast/kept; echo lost >/run/lost'
	"$HERE/node" "$NAME-1" reboot
	[[ $("$HERE/node" "$NAME-1" exec cat /opt/holdfast/kept) == kept ]]
	run "$HERE/node" "$NAME-1" exec cat /run/lost
	((status != 0))
	k wait pod web1 --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 --timeout=60s
	k wait pod web1 --for=condition=Ready --timeout=60s
	eventually connect web2 "$(pod_ip web1 0)" 8080
	"$HERE/node" "$NAME-1" exec rm /opt/holdfast/kept
}

@test "up again says that it is up already" {
	run "$HERE/up" --name "$NAME"
	((status == 0))
	[[ $output == *"up already"* ]]
}

@test "down leaves nothing, and twice does no harm" {
	local inside
	inside=$(namespaces)
	(($(wc -l <<<"$inside") > 8))
	"$HERE/down" --name "$NAME"
	"$HERE/down" --name "$NAME"
	[[ -z $(lsns -n -o NS | grep -wF "$inside") ]]
	leftovers >"$BATS_TEST_TMPDIR/after"
	diff "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}
