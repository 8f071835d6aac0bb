# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Flows that stay open, of web and spy to db (flows.py), and the policy that lets some of them.

# only_to_db APP…: the policy with which only these reach db
only_to_db() {
	local app from=()
	for app; do from+=("{podSelector: {matchLabels: {app: $app}}}"); done
	cat <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {namespace: shop, name: to-db}
	spec:
	  podSelector: {matchLabels: {app: db}}
	  ingress: [{from: [$(IFS=,; echo "${from[*]}")], ports: [{port: 7000, protocol: TCP}, {port: 7000, protocol: UDP}]}]
	END
}

# allow APP…: only these reach db
allow() { only_to_db "$@" | manifest policy; }

# flows PROTO FAMILY: web and spy each open one flow to db; then `tell WHO WHERE` sends one packet of a flow
flows() {
	rm -f "$NODE/flows.in" "$NODE/flows.out"
	mkfifo "$NODE/flows.in" "$NODE/flows.out"
	in_node python3 "$BATS_TEST_DIRNAME/flows.py" "$1" "${TARGET:-$(address shop/db "$2")}" "$(address shop/db "$2")" shop-db shop-web shop-spy \
		<"$NODE/flows.in" >"$NODE/flows.out" 2>"$NODE/log/flows" &
	FLOWS=$!
	exec 8>"$NODE/flows.in" 9<"$NODE/flows.out"
	[[ $(answer) == ready ]]
}

answer() {
	local line
	read -r -t 20 line <&9 || { cat "$NODE/log/flows"; return 1; }
	echo "$line"
}

# tell I there|back: "through" or "lost": the next packet of flow I (0: web, 1: spy)
tell() {
	echo "$1 $2" >&8
	answer
}

flows_end() { [[ -z ${FLOWS:-} ]] || kill "$FLOWS" 2>/dev/null || true; }
