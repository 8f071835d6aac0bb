#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# graph draws what the policies of deploy/examples allow and what really was said, in languages that their own tools read.
load ../node/lib.bash

setup_file() { node_needs; }

PODS=(shop/web shop/api data/db visitors/client kube-system/dns)

setup() {
	node_up
	config
	echo '  observeInterval: 100ms' >>"$NODE/holdfast.yaml"
	manifest shop <"$REPO/deploy/examples/shop.yaml"
	manifest policies <"$REPO/deploy/examples/policies.yaml"
	namespace kube-system
	agent_start
	local pod
	for pod in "${PODS[@]}"; do POD_UID='' attach "$pod"; done
	wait_for "the policies are in force" is lost visitors/client data/db tcp/5432
}

teardown() {
	[[ -z ${HELD:-} ]] || kill "$HELD" 2>/dev/null || true
	node_down
}

graph() { in_node "$BUILD/bin/holdfast-net" graph "$@"; }

talk() {
	[[ $(outcome shop/web shop/api tcp/8080) == through ]]
	[[ $(outcome shop/api data/db tcp/5432) == through ]]
	[[ $(outcome visitors/client shop/web tcp/80) == through ]]
	wait_for "all of it was seen" seen 3
}
seen() { [[ $(graph -o json | jq '[.edges[] | select(.observed)] | length') == "$1" ]]; }

# edges: FROM TO PORTS, one line each; "observed" or "allowed" ones
edges() {
	graph -o json "${@:2}" | jq -r --argjson observed "$1" '.nodes as $n | .edges[] | select(.observed == $observed) |
		"\($n[.from].name) \($n[.to].name) \([.ports[] | "\(.protocol):\(.first)-\(.last)"] | join(","))"' | sort
}

@test "graph shows what the policies allow, and nobody who may reach everybody as a hundred arrows" {
	diff - <(edges false) <<-END
	anyone web TCP:80-80
	api db TCP:5432-5432
	api kube-dns TCP:53-53,UDP:53-53
	web api TCP:8080-8080
	web kube-dns TCP:53-53,UDP:53-53
	END
	graph -o json | jq -e '.leftOut == 0 and ([.nodes[] | select(.name == "client")][0] | .openIngress and .openEgress and .pods == 1)'
}

@test "graph shows who did talk, on which port, and nothing that was only tried" {
	[[ $(outcome visitors/client data/db tcp/5432) == lost ]]
	talk
	diff - <(edges true) <<-END
	api db TCP:5432-5432
	client web TCP:80-80
	web api TCP:8080-8080
	END
}

@test "graph --namespace is about one namespace" {
	diff - <(edges false --namespace data) <<<'api db TCP:5432-5432'
	run graph --namespace nowhere
	((status == 2))
}

@test "graph -o dot is read by Graphviz" {
	command -v dot >/dev/null || skip "no dot (Graphviz)"
	talk
	graph -o dot >"$BATS_TEST_TMPDIR/graph.dot"
	dot -Tplain "$BATS_TEST_TMPDIR/graph.dot" >"$BATS_TEST_TMPDIR/plain"
	[[ $(grep -c '^edge' "$BATS_TEST_TMPDIR/plain") == 8 && $(grep -c '^node' "$BATS_TEST_TMPDIR/plain") == 6 ]]
	[[ $(grep -c 'dashed' "$BATS_TEST_TMPDIR/graph.dot") -ge 3 ]]
}

@test "graph -o svg is XML, and the picture in docs/network.md is what it draws; UPDATE=1 writes it anew" {
	command -v xmllint >/dev/null || skip "no xmllint"
	talk
	graph -o svg >"$BATS_TEST_TMPDIR/graph.svg"
	xmllint --noout "$BATS_TEST_TMPDIR/graph.svg"
	[[ -z ${UPDATE:-} ]] || cp "$BATS_TEST_TMPDIR/graph.svg" "$REPO/docs/images/graph.svg"
	diff "$REPO/docs/images/graph.svg" "$BATS_TEST_TMPDIR/graph.svg"
}

@test "graph -o mermaid is what its golden file says" {
	talk
	graph -o mermaid >"$BATS_TEST_TMPDIR/graph.mmd"
	diff - "$BATS_TEST_TMPDIR/graph.mmd" <<'END'
flowchart LR
    n0(["anyone"])
  subgraph ns1 ["data"]
    n1["db"]
  end
  subgraph ns2 ["kube-system"]
    n2["kube-dns"]
  end
  subgraph ns3 ["shop"]
    n3["api"]
    n4["web"]
  end
  subgraph ns5 ["visitors"]
    n5["client"]
  end
  n0 -->|"TCP 80"| n4
  n3 -->|"TCP 5432"| n1
  n3 -.->|"TCP 5432"| n1
  n3 -->|"TCP 53, UDP 53"| n2
  n4 -->|"TCP 53, UDP 53"| n2
  n4 -->|"TCP 8080"| n3
  n4 -.->|"TCP 8080"| n3
  n5 -.->|"TCP 80"| n4
END
}

# A connection of api to db that stays open.
hold_open() {
	in_node python3 - "$(address data/db)" <<-'END' >"$NODE/held" 3>&- &
	import ctypes, os, socket, sys, time
	libc = ctypes.CDLL(None)
	def enter(netns):
	    libc.setns(os.open("/run/netns/" + netns, os.O_RDONLY), 0)
	enter("data-db")
	server = socket.create_server((sys.argv[1], 5432))
	enter("shop-api")
	client = socket.create_connection((sys.argv[1], 5432))
	print("open", flush=True)
	time.sleep(60)
	END
	HELD=$!
	wait_for "the connection is open" grep -q open "$NODE/held"
}

@test "diff of deploy/examples/change.yaml prints what docs/network.md says" {
	hold_open
	run in_node "$BUILD/bin/holdfast-net" diff -f "$REPO/deploy/examples/change.yaml"
	kill "$HELD"
	((status == 1))
	diff <(sed -n '/^\$ holdfast-net diff/,/^```$/p' "$REPO/docs/network.md" | sed '1d;$d') \
		<(sed -E 's/(10\.244\.1\.[0-9]+):[0-9]{5}/\1:40312/; s/of [0-9]+ open/of 9 open/' <<<"$output")
}
