// SPDX-License-Identifier: Apache-2.0

// The node's side: import, load, meet the conditions, unseal, decrypt.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

const rootHandle = tpm2.TPMHandle(0x81000001)

func flush(tpm transport.TPM, handle tpm2.TPMHandle) {
	_, _ = tpm2.FlushContext{FlushHandle: handle}.Execute(tpm)
}

func openRoot(tpm transport.TPM, wanted string) (tpm2.AuthHandle, error) {
	root, err := tpm2.ReadPublic{ObjectHandle: rootHandle}.Execute(tpm)
	if err != nil {
		return tpm2.AuthHandle{}, err
	}
	if toHex(root.Name.Buffer) != wanted {
		return tpm2.AuthHandle{}, fmt.Errorf("the root key is %x, and it is sealed for %s", root.Name.Buffer, wanted)
	}
	return tpm2.AuthHandle{Handle: rootHandle, Name: root.Name, Auth: tpm2.PasswordAuth(nil)}, nil
}

func parts(r *recipient) (*tpm2.Import, error) {
	public, err := fromBase64(r.Public)
	if err != nil {
		return nil, err
	}
	private, err := fromBase64(r.Private)
	if err != nil {
		return nil, err
	}
	seed, err := fromBase64(r.Seed)
	if err != nil {
		return nil, err
	}
	object, err := tpm2.Unmarshal[tpm2.TPM2BPublic](public)
	if err != nil {
		return nil, err
	}
	duplicate, err := tpm2.Unmarshal[tpm2.TPM2BPrivate](private)
	if err != nil {
		return nil, err
	}
	encrypted, err := tpm2.Unmarshal[tpm2.TPM2BEncryptedSecret](seed)
	if err != nil {
		return nil, err
	}
	return &tpm2.Import{ObjectPublic: *object, Duplicate: *duplicate, InSymSeed: *encrypted,
		Symmetric: tpm2.TPMTSymDef{Algorithm: tpm2.TPMAlgNull}}, nil
}

// The object's only way in is its policy, and that is what the conditions say.
func checkObject(object *tpm2.TPM2BPublic, conditions []condition) error {
	public, err := object.Contents()
	if err != nil {
		return err
	}
	policy, err := policyOf(conditions)
	if err != nil {
		return err
	}
	if !bytes.Equal(public.AuthPolicy.Buffer, policy) {
		return fmt.Errorf("the object has policy %x, and its conditions say %x", public.AuthPolicy.Buffer, policy)
	}
	if public.ObjectAttributes != (tpm2.TPMAObject{AdminWithPolicy: true, NoDA: true}) {
		return fmt.Errorf("the object could be opened in other ways than by its policy: %+v", public.ObjectAttributes)
	}
	return nil
}

func contentKey(tpm transport.TPM, r *recipient, signatures string) ([]byte, error) {
	command, err := parts(r)
	if err != nil {
		return nil, err
	}
	if err = checkObject(&command.ObjectPublic, r.Release); err != nil {
		return nil, err
	}
	root, err := openRoot(tpm, r.RootKey)
	if err != nil {
		return nil, err
	}
	command.ParentHandle = root
	imported, err := command.Execute(tpm)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	loaded, err := tpm2.Load{ParentHandle: root, InPrivate: imported.OutPrivate, InPublic: command.ObjectPublic}.Execute(tpm)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer flush(tpm, loaded.ObjectHandle)
	session, closeSession, err := tpm2.PolicySession(tpm, tpm2.TPMAlgSHA256, 16)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closeSession() }()
	for i := range r.Release {
		if err = r.Release[i].satisfy(tpm, session.Handle(), signatures); err != nil {
			return nil, fmt.Errorf("condition %s: %w", r.Release[i].Type, err)
		}
	}
	unsealed, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: session}}.Execute(tpm)
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", err)
	}
	return unsealed.OutData.Buffer, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// What is printed is what tests/tpm/unseal prints of Holdfast's own reading.
func printOpened(s *secret, key []byte) error {
	gcm, err := newGCM(key)
	if err != nil {
		return err
	}
	additional, err := s.additionalData()
	if err != nil {
		return err
	}
	nonce, err := fromBase64(s.Spec.Nonce)
	if err != nil {
		return err
	}
	data, err := fromBase64(s.Spec.Data)
	if err != nil {
		return err
	}
	content, err := gcm.Open(nil, nonce, data, additional)
	if err != nil {
		return err
	}
	fmt.Printf("key %x\n", key)
	for _, f := range s.Spec.Files {
		if f.Size > len(content) {
			return errors.New("the files are longer than the data")
		}
		fmt.Printf("file %s %s\n", f.Name, toBase64(content[:f.Size]))
		content = content[f.Size:]
	}
	return nil
}
