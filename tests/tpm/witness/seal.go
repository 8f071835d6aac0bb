// SPDX-License-Identifier: Apache-2.0

// The sealer's side; needs no TPM.
package main

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

func publicArea[T tpm2.Marshallable, P interface {
	*T
	tpm2.Unmarshallable
}](text, name string, nameOf func(P) (*tpm2.TPM2BName, error)) (P, error) {
	encoded, err := fromBase64(text)
	if err != nil {
		return nil, err
	}
	if len(encoded) < 2 {
		return nil, fmt.Errorf("a public area of %d bytes", len(encoded))
	}
	public, err := tpm2.Unmarshal[T, P](encoded[2:])
	if err != nil {
		return nil, err
	}
	computed, err := nameOf(public)
	if err == nil && toHex(computed.Buffer) != name {
		err = fmt.Errorf("%s is not the name of the public area beside it", name)
	}
	return public, err
}

func newSealed(policy, key []byte) (*tpm2.TPMTPublic, []byte, error) {
	obfuscation := make([]byte, 32)
	if _, err := rand.Read(obfuscation); err != nil {
		return nil, nil, err
	}
	unique := sha256.Sum256(append(append([]byte{}, obfuscation...), key...))
	public := &tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgKeyedHash,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{AdminWithPolicy: true, NoDA: true},
		AuthPolicy:       tpm2.TPM2BDigest{Buffer: policy},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgKeyedHash,
			&tpm2.TPMSKeyedHashParms{Scheme: tpm2.TPMTKeyedHashScheme{Scheme: tpm2.TPMAlgNull}}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgKeyedHash, &tpm2.TPM2BDigest{Buffer: unique[:]}),
	}
	sensitive := tpm2.TPMTSensitive{
		SensitiveType: tpm2.TPMAlgKeyedHash,
		SeedValue:     tpm2.TPM2BDigest{Buffer: obfuscation},
		Sensitive:     tpm2.NewTPMUSensitiveComposite(tpm2.TPMAlgKeyedHash, &tpm2.TPM2BSensitiveData{Buffer: key}),
	}
	return public, tpm2.Marshal(sensitive), nil
}

func wrap(node *nodeKey, conditions []condition, key []byte) (*recipient, error) {
	root, err := publicArea(node.Spec.RootKey.Public, node.Spec.RootKey.Name, tpm2.ObjectName)
	if err != nil {
		return nil, err
	}
	hold, err := publicArea(node.Spec.Hold.Public, node.Spec.Hold.Name, tpm2.NVName)
	if err != nil {
		return nil, err
	}
	conditions = append(conditions, condition{Type: "hold", Index: fmt.Sprintf("%08x", uint32(hold.NVIndex)), Name: node.Spec.Hold.Name,
		Value: node.Spec.Hold.Value})
	policy, err := policyOf(conditions)
	if err != nil {
		return nil, err
	}
	public, sensitive, err := newSealed(policy, key)
	if err != nil {
		return nil, err
	}
	name, err := tpm2.ObjectName(public)
	if err != nil {
		return nil, err
	}
	encapsulation, err := tpm2.ImportEncapsulationKey(root)
	if err != nil {
		return nil, err
	}
	duplicate, seed, err := tpm2.CreateDuplicate(rand.Reader, encapsulation, name.Buffer, sensitive)
	if err != nil {
		return nil, err
	}
	return &recipient{
		Node: node.Metadata.Name, RootKey: node.Spec.RootKey.Name, Release: conditions,
		Public:  toBase64(tpm2.Marshal(tpm2.New2B(*public))),
		Private: toBase64(tpm2.Marshal(tpm2.TPM2BPrivate{Buffer: duplicate})),
		Seed:    toBase64(tpm2.Marshal(tpm2.TPM2BEncryptedSecret{Buffer: seed})),
	}, nil
}

func (s *secret) encrypt(key, content []byte) error {
	nonce := make([]byte, 12)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	gcm, err := newGCM(key)
	if err != nil {
		return err
	}
	s.Spec.Nonce = toBase64(nonce)
	additional, err := s.additionalData()
	s.Spec.Data = toBase64(gcm.Seal(nil, nonce, content, additional))
	return err
}
