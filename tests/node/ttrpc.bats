#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Our ttrpc and the Go implementation, which containerd uses, are each other's peers. Each check is made by both clients of both servers: that
# Go's client is content with Go's server says that the check is fair.
load lib.bash

setup_file() {
	GOS=$("$REPO/tests/cluster/build" --print-path ttrpc-peer)
	OURS=$BUILD/tests/support/ttrpc_peer
	export GOS OURS
}

setup() { cd "$BATS_TEST_TMPDIR"; }
teardown() { leave; }

# serve PROGRAM: a new server, which answers
serve() {
	rm -f socket
	"$1" serve socket >server.log 2>&1 3>&- &
	echo $! >server
	until "$1" check socket unary 2>/dev/null; do kill -0 "$(<server)"; done
}

leave() {
	[[ -f server ]] || return 0
	kill "$(<server)" 2>/dev/null || true
	wait "$(<server)" || true
	rm server
}

# checked SERVER CLIENT CHECK…
checked() {
	local server=$1 client=$2 check
	shift 2
	for check; do
		echo "server ${server##*/}, client ${client##*/}: $check"
		serve "$server"
		timeout 60 "$client" check socket "$check"
		leave
	done
}

all_agree() {
	checked "$OURS" "$GOS" "$@"
	checked "$GOS" "$OURS" "$@"
	checked "$OURS" "$OURS" "$@"
	checked "$GOS" "$GOS" "$@"
}

@test "a call is answered, and one with empty messages too" { all_agree unary empty; }

@test "a refusal keeps its status and every word" { all_agree statuses; }

@test "words that are no UTF-8 reach Go's client as far as they are" { checked "$OURS" "$GOS" mended; }

@test "answers come in the order in which handlers give them" { all_agree order; }

@test "a call ends when its time is up, and the server knows how much is left" { all_agree deadline left; }

@test "metadata arrives" { all_agree metadata; }

@test "what there is not is UNIMPLEMENTED, in the same words" { all_agree unknown; }

@test "4 MiB pass in both directions" { all_agree largest; }

@test "a byte more is RESOURCE_EXHAUSTED" { all_agree too-large-request too-large-answer; }

@test "a thousand calls are under way at once, and answered last to first" { all_agree concurrent held; }

@test "fifty connections are served at once" { all_agree connections; }

@test "a server that dies ends every call" { all_agree lost; }

@test "a server streams, and may end badly" { all_agree count; }

@test "a client streams" { all_agree sum; }

@test "both stream at once" { all_agree chat; }

@test "to frames that no library sends, both servers give the same answers" {
	local server
	for server in "$OURS" "$GOS"; do
		serve "$server"
		timeout 60 "$GOS" raw socket >"answers.${server##*/}"
		leave
	done
	diff -u answers.*
	(($(grep -c '^  stream' answers.ttrpc_peer) > 30))
}
