#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `deploy/demo` does what README.md says of it. It is run once, in a lab of its own, and what it printed is looked at.
load lib

setup_file() {
	cd "$E2E/../.." || return
	local status=0
	cmake/lean-libraries >&2 || status=$?
	((status != 75)) || skip "the sources of the lean libraries cannot be had now"
	((status == 0)) || return
	deploy/demo >"$BATS_FILE_TMPDIR/said" 2>&1 3>&- 4>&- || { cat "$BATS_FILE_TMPDIR/said"; return 1; }
}

setup() { cd "$E2E/../.." && said=$BATS_FILE_TMPDIR/said; }
teardown() { [[ ${BATS_TEST_COMPLETED:-} ]] || cat "$said"; }

says() { grep -F -- "$1" "$said"; }
step() { sed -n "/^$1\. /,/^[0-9]*\. /p" "$said"; }

@test "without policies everybody reaches everybody, with them those that a policy names" {
	! step 3 | grep ✗ || false
	step 5 | grep -E '^visitors/client +✓ +✗ +✗ +✗ +✓$'
}

@test "the pod that a secret is for reads it, and its twin in another namespace is told why not" {
	step 7 | grep -E '^✓  data/backup .*/db-password/password: first-password$'
	step 7 | grep -E '^✗  visitors/backup +secret "db-password" is not for namespace "visitors": no allow rule names it'
}

@test "a new value reaches the pod without a restart" {
	step 8 | grep -E '^✓  data/backup .*/db-password/password: second-password$'
	step 8 | grep -E '^backup +1/1 +Running +0 '
}

@test "after revoke the running pod has lost it and a new one gets none, until it is sealed again" {
	step 9 | grep -E '^✗  data/backup .*/db-password/password is gone$'
	step 9 | grep -E '^✗  data/backup .*Insufficient tpm.holdfast/db-password'
	step 9 | grep -E '^db-password +[0-9]+ +revoked '
	step 10 | grep -E '^✓  data/backup .*/db-password/password: third-password$'
}

@test "one pod twice: one has the node's kernel, the other one of its own" {
	step 11 | grep -Fx "$(uname -r)"
	step 11 | grep -E '^[0-9.-]+-cloud-amd64$'
}

@test "the same policy governs both" {
	# to the twin by TCP and UDP, to the one in the VM by both, to api, db and dns
	row() { step 12 | awk -v from="$1" '$1 == from { print $2 $3 $4 $5 $6 $7 $8 }'; }
	[[ $(row visitors/client) == ✓✗✓✗✗✗✓ ]]
	[[ $(row shop/twin) == ··✗✗✓✗✓ ]]
	[[ $(row shop/twin-vm) == ✗✗··✓✗✓ ]]
}

@test "a secret that is for pods in VMs reaches the one that is, and the other is told why not" {
	step 13 | grep -E '^✗  data/vault +secret "disk-key" '
	step 13 | grep -E '^✓  data/vault-vm .*/disk-key/key: only-in-a-vm$'
}

@test "every line that README.md quotes is what the demo says" {
	local line n=0
	while IFS= read -r line; do
		[[ $line ]] || continue
		says "$line" || { echo "README.md quotes: $line"; return 1; }
		n=$((n + 1))
	done < <(awk '/^```/ { inside = !inside; next } /^## / { here = /^## See it work/ } here && inside && !/^(git clone|sudo)/' README.md)
	((n > 20))
}

@test "nothing runs afterwards, and nothing is left of the lab" {
	[[ ! -e /var/tmp/holdfast-lab/demo ]]
	! pgrep -fa 'holdfast-lab/demo' || false
}
