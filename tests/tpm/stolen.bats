#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whoever has taken the disk, the etcd or the whole node away: what they can open, and what they are told.

load lib

enrol_and_seal() {
	on_node node-key --node edge-1 >edge-1.yaml
	seal db-password --node-key edge-1.yaml --from-file password=pw --allow shop/db >sealed.yaml
	unseal edge-1 <sealed.yaml | grep -qx "file password $(base64 <pw)"
}

another_tpm() {
	stop_tpm
	mv tpm own
	new_tpm
}

own_tpm() {
	stop_tpm
	rm -rf tpm
	mv own tpm
	start_tpm
}

@test "a disk with all its secrets opens nothing at another TPM, and says that it is another" {
	enrol_and_seal
	cp -a state stolen
	another_tpm
	refused 1 "the TPM has no storage root key any more" unseal edge-1 <sealed.yaml
	tools "tpm2_createprimary -Q -C o -G ecc256:aes128cfb -g sha256 -c k && tpm2_evictcontrol -Q -C o -c k 0x81000001 && tpm2_flushcontext -t"
	refused 1 "another TPM" unseal edge-1 <sealed.yaml
	own_tpm
	unseal edge-1 <sealed.yaml
}

@test "a node that has lost its disk, and not its TPM, opens what was sealed for it" {
	enrol_and_seal
	rm -rf state
	on_node node-key --node edge-1 >again.yaml
	diff edge-1.yaml again.yaml
	unseal edge-1 <sealed.yaml | grep -qx "file password $(base64 <pw)"
}

@test "a disk opens nothing when the thief enrols another TPM with it: the wrapped key is the first TPM's" {
	enrol_and_seal
	another_tpm
	rm -rf state
	on_node node-key --node edge-1 >thief.yaml
	refused 1 "another TPM" unseal edge-1 <sealed.yaml
}

@test "nor when a recipient is rewritten to the thief's own TPM and counter" {
	enrol_and_seal
	another_tpm
	rm -rf state
	on_node node-key --node edge-1 >thief.yaml
	seal db-password --node-key thief.yaml --from-file password=/dev/null --allow shop/db >forged.yaml
	{ sed '/"node":/,$d' sealed.yaml; grep '"node":' forged.yaml; sed '1,/"node":/d' sealed.yaml; } >mixed.yaml
	refused 1 "somebody has changed its rules, recipients or content" unseal edge-1 <mixed.yaml
}

@test "a node that was stolen whole opens nothing once it was revoked, and sealing again arms it" {
	enrol_and_seal
	cp -a state stolen
	on_node revoke --yes
	refused 1 "holdfast-tpm revoke" unseal edge-1 <sealed.yaml
	rm -rf state && cp -a stolen state # an older copy of the disk brings nothing back
	refused 1 "holdfast-tpm revoke" unseal edge-1 <sealed.yaml
	on_node node-key --node edge-1 >edge-1.yaml
	seal db-password --node-key edge-1.yaml --from-file password=pw --allow shop/db >again.yaml
	unseal edge-1 <again.yaml
	refused 1 "holdfast-tpm revoke" unseal edge-1 <sealed.yaml
}

@test "the TPM's owner deletes the counter and makes it again: it goes on from where it was" {
	enrol_and_seal
	tools "tpm2_nvundefine -Q 0x01800048"
	refused 1 "hold counter" unseal edge-1 <sealed.yaml
	on_node node-key --node edge-1 >again.yaml
	refused 1 "holdfast-tpm revoke" unseal edge-1 <sealed.yaml
}

@test "a counter of the thief's making, with the right value, is another one" {
	enrol_and_seal
	tools "tpm2_nvundefine -Q 0x01800048
		tpm2_nvdefine -Q 0x01800048 -C o -s 8 -a 'authread|authwrite|ownerread|ownerwrite'
		printf '\0\0\0\0\0\0\0\001' | tpm2_nvwrite -Q 0x01800048 -i -"
	refused 1 "hold" unseal edge-1 <sealed.yaml
}

@test "a TPM that was cleared opens nothing and says so" {
	enrol_and_seal
	tools "tpm2_clear -Q -c p"
	refused 1 "was cleared" unseal edge-1 <sealed.yaml
	rm -rf state
	on_node node-key --node edge-1 >again.yaml
	refused 1 "another TPM" unseal edge-1 <sealed.yaml
}
