#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# containerd drives the real plugin, asked by a real kubelet: RunPodSandbox → ADD, StopPodSandbox → DEL, Status → STATUS.

CLUSTER=$(readlink -f "${BATS_TEST_DIRNAME}/../cluster")
BUILD=${HOLDFAST_BUILD:-$CLUSTER/../../build/dev}
NAME=node-containerd

k() { "$CLUSTER/kubectl" --name "$NAME" "$@"; }
on_node() { "$CLUSTER/node" --name "$NAME" 1 "$@"; }

setup_file() {
	[[ $EUID -eq 0 ]] || skip "needs root"
	[[ -x $BUILD/bin/holdfast && -x $BUILD/bin/holdfast-net ]] || skip "no bin/holdfast and bin/holdfast-net in $BUILD"
	"$CLUSTER/down" --name "$NAME"
	"$CLUSTER/up" --name "$NAME" --nodes 1 --holdfast "$BUILD" --clean-on-failure >&2
}

teardown_file() { "$CLUSTER/down" --name "$NAME"; }

pod() {
	# shellcheck source=tests/cluster/images/names
	. "$CLUSTER/images/names"
	k apply -f - <<-END
	apiVersion: v1
	kind: Pod
	metadata: {name: $1, labels: {app: $1}}
	spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: "$PAUSE_IMAGE"}]}
	END
}

attachments() { on_node exec sh -c 'cat /run/holdfast/net/attachments/*.json 2>/dev/null' || true; }

# attachment NAME FIELD: what the agent was told by ADD
attachment() { attachments | jq -r --arg pod "$1" "select(.pod == \$pod) | $2"; }

# until_true SECONDS CMD…
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.3
	done
}

is_gone() { [[ -z $(attachment "$1" .uid) ]]; }

@test "RunPodSandbox calls ADD with the pod's name, namespace and UID, and the addresses that the pod then has" {
	pod one
	k wait pod one --for=condition=Ready --timeout=60s
	[[ $(attachment one .namespace) == default ]]
	[[ $(attachment one .uid) == "$(k get pod one -o 'jsonpath={.metadata.uid}')" ]]
	[[ $(attachment one '.addresses | join(" ")') == "$(k get pod one -o 'jsonpath={.status.podIPs[*].ip}')" ]]
	on_node exec test -e "$(attachment one .netns)"
}

@test "StopPodSandbox calls DEL" {
	pod two
	k wait pod two --for=condition=Ready --timeout=60s
	[[ -n $(attachment two .uid) ]]
	k delete pod two --wait=true --timeout=60s
	until_true 20 is_gone two
}

@test "Status is not ready while the agent is down, and the node says why; both are ready when it is back" {
	on_node agent-stop
	k wait node "$NAME-1" --for=condition=Ready=False --timeout=90s
	run k get node "$NAME-1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].message}'
	echo "$output"
	[[ $output == *NetworkReady=false* ]]
	[[ $output == *"the Holdfast agent does not answer on /run/holdfast/net.sock"* ]]
	on_node agent-start
	k wait node "$NAME-1" --for=condition=Ready --timeout=90s
}
