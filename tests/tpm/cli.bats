#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# holdfast-tpm on the command line, with a software TPM in a network namespace of its own.

load lib

configure() { echo "secrets: {nodeName: edge-1, source: {directory: $PWD}, kubeletDir: $PWD/kubelet, socket: $PWD/s}" >holdfast.yaml; }

# says LEVEL ROW TEXT: `check` has such a finding, and a cure with it unless all is well
says() {
	configure
	on_node check --config holdfast.yaml -o json >check || (($? <= 2))
	jq -e --arg level "$1" --arg row "$2" --arg text "$3" '.findings | any(.level == $level and .check == $row and
		(.cause | contains($text)) and (.level == "ok" or .cure != ""))' check >/dev/null || { jq -c '.findings[]' check; false; }
}

@test "from a node's key to a sealed secret, without its plaintext in it" {
	on_node node-key --node edge-1 >edge-1.yaml
	seal db-password --node-key edge-1.yaml --from-file password=pw --allow shop/db --require-sandbox vm >sealed.yaml
	grep -q '^kind: TPMSecret' sealed.yaml
	grep -q '"namespace":"shop","serviceAccount":"db"' sealed.yaml
	! grep -q s3cret sealed.yaml || false
	! grep -q "$(base64 <pw)" sealed.yaml || false
}

@test "enrolling again prints the same, and the pinned name is for root only" {
	on_node node-key --node edge-1 >first
	on_node node-key --node edge-1 >second
	cmp first second
	[[ $(stat -c '%a %U' state/root-key) == "600 root" ]]
	says ok tpm "it is the one that was enrolled, and its hold counter is 1"
}

@test "a node key that cannot be printed whole is a failure" {
	run bash -c 'exec "$@" >/dev/full' - ip netns exec "$NETNS" "$HOLDFAST_BUILD/bin/holdfast-tpm" node-key --node edge-1 \
		--tcti swtpm:host=127.0.0.1,port=2321 --state-dir state
	[[ $status == 1 && $output == *"cannot print the node key"* ]]
}

@test "files may come from standard input and from a Kubernetes Secret" {
	on_node node-key --node edge-1 >edge-1.yaml
	printf x | seal a --node-key edge-1.yaml --from-file key=- --allow a/b | grep -q '"name":"key","mode":"0400","uid":0,"gid":0,"size":1'
	cat >secret.yaml <<-END
		{"kind": "Secret", "data": {"user": "$(printf joe | base64)"}, "stringData": {"password": "x y"}}
	END
	seal a --node-key edge-1.yaml --from-secret secret.yaml --allow 'a/*' --mode 440 --uid 7 >sealed.yaml
	grep -q '"name":"user","mode":"0440","uid":7,"gid":0,"size":3' sealed.yaml
	grep -q '"name":"password","mode":"0440","uid":7,"gid":0,"size":3' sealed.yaml
}

@test "what is missing is said, with the option that gives it" {
	on_node node-key --node edge-1 >edge-1.yaml
	refused 2 "give --allow NAMESPACE/SERVICEACCOUNT" seal a --node-key edge-1.yaml --from-file pw
	refused 2 "give --node NODE" seal a --from-file pw --allow a/b
	refused 2 "give --from-file or --from-secret" seal a --node-key edge-1.yaml --allow a/b
	refused 2 "give the secret one name" seal --node-key edge-1.yaml --from-file pw --allow a/b
	refused 2 "--node edge-7: none of the node keys" seal a --node edge-7 --node-key edge-1.yaml --from-file pw --allow a/b
	refused 2 "does not say NAMESPACE/SERVICEACCOUNT" seal a --node-key edge-1.yaml --from-file pw --allow shop
	refused 2 "go together" seal a --node-key edge-1.yaml --from-file pw --allow a/b --signed-pcr 11
	refused 2 "cannot be a program" seal a --node-key edge-1.yaml --from-file pw --allow a/b --mode 0755
	refused 2 "tpm.holdfast/secrets is the resource for a list of secrets" seal secrets --node-key edge-1.yaml --from-file pw --allow a/b
	refused 2 "is no name of a secret" seal Bad_Name --node-key edge-1.yaml --from-file pw --allow a/b
	refused 1 "No such file" seal a --node-key edge-1.yaml --from-file nothing --allow a/b
	refused 2 "nothing was measured" seal a --node-key edge-1.yaml --from-file pw --allow a/b --pcr "7=$(printf '0%.0s' {1..64})"
}

@test "the root keys that it was sealed for are printed beside, to be compared" {
	on_node node-key --node edge-1 >edge-1.yaml
	sed 's/edge-1/edge-2/' edge-1.yaml >edge-2.yaml
	seal a --node-key edge-1.yaml --node-key edge-2.yaml --node edge-2 --from-file pw --allow a/b >sealed.yaml 2>beside
	grep -qx "  edge-2  $(grep -o '000b[0-9a-f]*' edge-2.yaml | head -n 1)" beside
	! grep -q 'edge-1' beside sealed.yaml || false
}

@test "standard input is read for one option only, and by none in vain" {
	on_node node-key --node edge-1 >edge-1.yaml
	refused 2 "standard input is read already" seal a --node-key - --from-file pw=- --allow a/b <edge-1.yaml
	printf '{"kind": "Secret", "data": {"a": "eA=="}}' | seal a --node-key edge-1.yaml --from-secret - --allow a/b | grep -q '"name":"a".*"size":1'
}

@test "without node keys an API server is asked, and it is said where it was looked for" {
	HOME=$PWD refused 1 "--node edge-1: cannot ask the API server for its key: cannot open $PWD/.kube/config" \
		seal a --node edge-1 --from-file pw --allow a/b
	KUBECONFIG=one:two refused 2 "KUBECONFIG names several files: give one by --kubeconfig" seal a --node edge-1 --from-file pw --allow a/b
	KUBECONFIG=$PWD/none refused 1 "cannot open $PWD/none" seal a --node edge-1 --from-file pw --allow a/b
	refused 1 "cannot open here" seal a --node edge-1 --kubeconfig here --from-file pw --allow a/b
	refused 2 "--node Edge_1: is no name of a node" seal a --node Edge_1 --kubeconfig here --from-file pw --allow a/b
	refused 2 "give --allow" seal a --node edge-1 --kubeconfig here --from-file pw
	on_node node-key --node edge-1 >edge-1.yaml
	refused 2 "exclude each other" seal a --node edge-1 --kubeconfig here --node-key edge-1.yaml --from-file pw --allow a/b
}

@test "a forged node key is refused" {
	on_node node-key --node edge-1 >edge-1.yaml
	sed 's/"name":"000b../"name":"000b00/' edge-1.yaml >forged.yaml
	refused 2 "is not the name of the public area beside it" seal a --node-key forged.yaml --from-file pw --allow a/b
}

@test "another TPM than the enrolled one is not taken for it" {
	on_node node-key --node edge-1
	stop_tpm
	new_tpm
	says fail tpm "was cleared"
	refused 1 "enrolled with another TPM" on_node node-key --node edge-1
}

@test "revoke asks first, then raises the hold counter by one" {
	on_node node-key --node edge-1 >before
	refused 2 "say --yes" on_node revoke
	on_node revoke --yes
	on_node node-key --node edge-1 >after
	[[ $(grep -o '"value":"[0-9]*"' before) == '"value":"1"' ]]
	[[ $(grep -o '"value":"[0-9]*"' after) == '"value":"2"' ]]
}

@test "a node that is not enrolled, and one without a TPM, say what to do" {
	says fail tpm "run \`holdfast-tpm node-key\`"
	refused 2 "there is no TPM at" tpm check --tcti swtpm:host=127.0.0.1,port=9 --state-dir state
	refused 1 "there is no TPM at" tpm node-key --tcti swtpm:host=127.0.0.1,port=9 --state-dir state --node edge-1
}

@test "check says who made the TPM, and whether it is locked out" {
	on_node node-key --node edge-1
	says ok tpm "IBM SW   TPM, firmware"
	says ok tpm "the TPM is not locked out"
	in_net env TPM2TOOLS_TCTI=swtpm:host=127.0.0.1,port=2321 sh -c '
		tpm2_dictionarylockout -Q --setup-parameters --max-tries=2 --recovery-time=60 --lockout-recovery-time=60 &&
		tpm2_nvdefine -Q 0x01800049 -C o -s 8 -p other -a "authread|authwrite"'
	wrong() { in_net env TPM2TOOLS_TCTI=swtpm:host=127.0.0.1,port=2321 tpm2_nvread -Q -C 0x01800049 -P wrong 0x01800049; }
	! wrong || false
	says warn tpm "counts 1 failed authorizations of 2"
	! wrong || false
	says fail tpm "locked out after 2 failed authorizations; it forgets one of them every 60 s"
}

@test "check names what is missing on a node, with a cure for each" {
	on_node node-key --node edge-1
	configure
	run on_node check --config holdfast.yaml
	echo "$output"
	[[ $status == 1 ]]
	says ok configuration "node edge-1 follows $PWD"
	says warn kubelet "does not answer on $PWD/kubelet/device-plugins/kubelet.sock"
	says warn pod-resources "does not answer on $PWD/kubelet/pod-resources/kubelet.sock"
	says warn daemon "is \`holdfast-tpm serve\` running on this node?"
	says ok volumes "never swap"
	chmod 777 state
	says fail directories "is no directory that root alone can write"
	chmod 700 state
	says ok directories "can be written"
}

@test "check looks at the rest, too, if the configuration is wrong, and says so" {
	on_node node-key --node edge-1
	configure
	sed -i s/kubeletDir/kubeletDire/ holdfast.yaml
	refused 2 "did you mean" on_node check --config holdfast.yaml
	[[ $output == *"it is the one that was enrolled"* ]]
	refused 2 "source" on_node check --config /dev/null
	refused 3 '-o takes text or json, not "yaml"' on_node check -o yaml
	refused 3 "usage:" on_node check --no-such-option
}

@test "check says how much memory the daemon may lock" {
	says ok locked-memory "8 MiB"
	refused 2 "only 1024 KiB of memory may be locked" prlimit --memlock=1048576:1048576 \
		"$HOLDFAST_BUILD/bin/holdfast-tpm" check --state-dir state --tcti swtpm:host=127.0.0.1,port=9
}

@test "check finds sandbox records that others could forge" {
	unshare --mount sh -ec '
		mount -t tmpfs none /run
		mkdir -p -m 777 /run/holdfast/sandboxes
		"$@" check -o json >check || true' - "$HOLDFAST_BUILD/bin/holdfast-tpm"
	jq -e '.findings | any(.check == "sandbox-records" and .level == "fail" and (.cause | contains("could claim")))' check
}

@test "a daemon that does not run is said, with where to look" {
	refused 2 "is \`holdfast-tpm serve\` running on this node?" tpm list --socket "$PWD/nothing"
	refused 2 "is \`holdfast-tpm serve\` running on this node?" tpm status --socket "$PWD/nothing"
	refused 2 "is \`holdfast-tpm serve\` running on this node?" tpm rotate --all --socket "$PWD/nothing"
	refused 2 "say which secrets, or --all" tpm rotate
}
