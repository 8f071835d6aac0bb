#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# An implementation that was written from docs/secrets.md alone, on Google's TPM library (witness/), opens what Holdfast seals, and Holdfast
# opens what it seals: the same content key, the same files.

load lib

setup_file() { WITNESS=$("$BATS_TEST_DIRNAME"/../cluster/build --print-path witness) && export WITNESS; }

witness() { in_net "$WITNESS" "$@"; }
witness_opens() { witness open -tpm 127.0.0.1:2321 -node edge-1 "$@"; }

node_key() { on_node node-key --node edge-1 >edge-1.yaml; }

# both_open SECRET [SIGNATURES]: and agree on what is in it
both_open() {
	unseal edge-1 ${2:+"$2"} <"$1" >ours
	witness_opens ${2:+-signatures "$2"} <"$1" >theirs
	cmp ours theirs
	grep -qx "file password $(base64 <pw)" ours
}

# PCR 16 is the one that anybody may reset, 23 is for applications.
measure() { tools "tpm2_pcrextend $1:sha256=$(printf "$2%.0s" {1..64})"; }
pcr() { tools "tpm2_pcrread -Q sha256:$1 -o value" && xxd -p -c 64 value; }

@test "what Holdfast seals, go-tpm opens" {
	node_key
	dd if=/dev/urandom of=tls.crt bs=5000 count=1 status=none
	: >empty
	seal db-password --node-key edge-1.yaml --from-file password=pw --from-file tls.crt --from-file empty --mode 0440 --uid 1000 --gid 7 \
		--allow 'shop/db,tier=back,app=db' --allow 'ops/*' --require-sandbox vm >sealed.yaml
	both_open sealed.yaml
	grep -qx "file tls.crt $(base64 -w0 <tls.crt)" theirs
}

@test "what go-tpm seals, Holdfast opens" {
	node_key
	witness seal -name db-password -sandbox vm -node-key edge-1.yaml -allow 'shop/db,tier=back,app=db' -allow 'ops/*' -file password=pw \
		-file other=edge-1.yaml >sealed.json
	both_open sealed.json
	grep -qx "file other $(base64 -w0 <edge-1.yaml)" ours
}

@test "both ways with an RSA root key that was there before us" {
	tools "tpm2_startup -c && tpm2_createprimary -Q -C o -G rsa2048:aes128cfb -g sha256 -c rsa &&
		tpm2_evictcontrol -Q -C o -c rsa 0x81000001 && tpm2_flushcontext -t"
	node_key
	seal a --node-key edge-1.yaml --from-file password=pw --allow a/b >sealed.yaml
	both_open sealed.yaml
	witness seal -name a -node-key edge-1.yaml -allow a/b -file password=pw >sealed.json
	both_open sealed.json
}

@test "both compute the same policy of PCRs, and neither opens when they change" {
	node_key
	measure 16 1
	measure 23 2
	local first second
	first=$(pcr 16) second=$(pcr 23)
	seal a --node-key edge-1.yaml --from-file password=pw --allow a/b --pcr "16=$first,23=$second" >sealed.yaml
	both_open sealed.yaml
	witness seal -name a -node-key edge-1.yaml -allow a/b -file password=pw -pcr "16,23=$first,$second" >sealed.json
	both_open sealed.json
	measure 23 3
	refused 1 "the PCRs have other values" unseal edge-1 <sealed.json
	refused 1 "condition pcr" witness_opens <sealed.yaml
}

@test "both take a policy that the holder of a key has signed, as systemd does" {
	node_key
	measure 16 1
	openssl genrsa -out key.pem 2048 && openssl rsa -in key.pem -pubout -out public.pem
	tools "tpm2_startauthsession -Q -S s; tpm2_policypcr -Q -S s -l sha256:16 -L policy; tpm2_flushcontext s"
	jq -n --arg pol "$(xxd -p -c 64 policy)" --arg sig "$(openssl dgst -sha256 -sign key.pem policy | base64 -w0)" \
		'{sha256: [{pcrs: [16], pkfp: "", pol: $pol, sig: $sig}]}' >signature.json
	seal a --node-key edge-1.yaml --from-file password=pw --allow a/b --signed-pcr 16 --signed-pcr-key public.pem >sealed.yaml
	both_open sealed.yaml signature.json
	witness seal -name a -node-key edge-1.yaml -allow a/b -file password=pw -signed-pcr 16 -key public.pem >sealed.json
	both_open sealed.json signature.json
	measure 16 2
	refused 1 "has no signature for what the PCRs say now" unseal edge-1 signature.json <sealed.json
	refused 1 "has no signature for the PCRs as they are" witness_opens -signatures signature.json <sealed.yaml
}

@test "after revoke neither opens what the other or it itself sealed" {
	node_key
	seal a --node-key edge-1.yaml --from-file password=pw --allow a/b >sealed.yaml
	witness seal -name a -node-key edge-1.yaml -allow a/b -file password=pw >sealed.json
	on_node revoke --yes
	for secret in sealed.yaml sealed.json; do
		refused 1 "holdfast-tpm revoke" unseal edge-1 <$secret
		refused 1 "condition hold: TPM_RC_POLICY" witness_opens <$secret
	done
}

@test "a rule that is widened opens for neither" {
	node_key
	seal a --node-key edge-1.yaml --from-file password=pw --allow shop/db >sealed.yaml
	sed 's/"serviceAccount":"db"/"serviceAccount":"*"/' sealed.yaml >widened.yaml
	refused 1 "somebody has changed its rules" unseal edge-1 <widened.yaml
	refused 1 "message authentication failed" witness_opens <widened.yaml
}
