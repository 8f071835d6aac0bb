// SPDX-License-Identifier: Apache-2.0

// Release conditions, as commands that go-tpm can both compute the policy of and run in a session.
package main

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

func selection(pcrs []uint) tpm2.TPMLPCRSelection {
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{
		{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(pcrs...)},
	}}
}

func (c *condition) policyNV(session tpm2.TPMISHPolicy) (tpm2.PolicyNV, error) {
	index, err := strconv.ParseUint(c.Index, 16, 32)
	if err != nil {
		return tpm2.PolicyNV{}, err
	}
	value, err := strconv.ParseUint(c.Value, 10, 64)
	if err != nil {
		return tpm2.PolicyNV{}, err
	}
	name, err := hex.DecodeString(c.Name)
	handle := tpm2.NamedHandle{Handle: tpm2.TPMHandle(index), Name: tpm2.TPM2BName{Buffer: name}}
	return tpm2.PolicyNV{
		AuthHandle:    tpm2.AuthHandle{Handle: handle.Handle, Name: handle.Name, Auth: tpm2.PasswordAuth(nil)},
		NVIndex:       handle,
		PolicySession: session,
		OperandB:      tpm2.TPM2BOperand{Buffer: binary.BigEndian.AppendUint64(nil, value)},
		Operation:     tpm2.TPMEOEq,
	}, err
}

func (c *condition) policyPCR(session tpm2.TPMISHPolicy) (tpm2.PolicyPCR, error) {
	all := sha256.New()
	for _, text := range c.Values {
		value, err := hex.DecodeString(text)
		if err != nil {
			return tpm2.PolicyPCR{}, err
		}
		all.Write(value)
	}
	return tpm2.PolicyPCR{PolicySession: session, PcrDigest: tpm2.TPM2BDigest{Buffer: all.Sum(nil)}, Pcrs: selection(c.PCRs)}, nil
}

// The public area of the key that signs PCR policies.
func (c *condition) signer() (*tpm2.TPMTPublic, error) {
	block, _ := pem.Decode([]byte(c.Key))
	if block == nil {
		return nil, errors.New("the key of signed-pcr is not PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok || public.E != 65537 {
		return nil, errors.New("the key of signed-pcr is no RSA key with the usual exponent")
	}
	return &tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgRSA,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{UserWithAuth: true, Decrypt: true, SignEncrypt: true},
		Parameters:       tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{KeyBits: tpm2.TPMKeyBits(public.N.BitLen())}),
		Unique:           tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: public.N.Bytes()}),
	}, nil
}

// The policy that an object has whose only way in are these conditions.
func policyOf(conditions []condition) ([]byte, error) {
	calculator, err := tpm2.NewPolicyCalculator(tpm2.TPMAlgSHA256)
	for i := 0; i < len(conditions) && err == nil; i++ {
		err = conditions[i].extend(calculator)
	}
	if err != nil {
		return nil, err
	}
	return calculator.Hash().Digest, nil
}

func (c *condition) extend(calculator *tpm2.PolicyCalculator) error {
	switch c.Type {
	case "hold":
		command, err := c.policyNV(0)
		if err != nil {
			return err
		}
		return command.Update(calculator)
	case "pcr":
		command, err := c.policyPCR(0)
		if err != nil {
			return err
		}
		return command.Update(calculator)
	case "signed-pcr":
		public, err := c.signer()
		if err != nil {
			return err
		}
		name, err := tpm2.ObjectName(public)
		if err != nil {
			return err
		}
		calculator.Reset()
		return tpm2.PolicyAuthorize{KeySign: *name}.Update(calculator)
	}
	return fmt.Errorf("unknown release condition %q", c.Type)
}

// In a session, with the TPM to judge it. signatures: a tpm2-pcr-signature.json.
func (c *condition) satisfy(tpm transport.TPM, session tpm2.TPMISHPolicy, signatures string) error {
	switch c.Type {
	case "hold":
		command, err := c.policyNV(session)
		if err == nil {
			_, err = command.Execute(tpm)
		}
		return err
	case "pcr":
		command, err := c.policyPCR(session)
		if err == nil {
			_, err = command.Execute(tpm)
		}
		return err
	case "signed-pcr":
		return c.satisfySigned(tpm, session, signatures)
	}
	return fmt.Errorf("unknown release condition %q", c.Type)
}

func findSignature(path string, policy []byte) ([]byte, error) {
	var banks map[string][]struct{ Pol, Sig string }
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &banks)
	}
	if err != nil {
		return nil, err
	}
	for _, entry := range banks["sha256"] {
		if entry.Pol == toHex(policy) {
			return fromBase64(entry.Sig)
		}
	}
	return nil, fmt.Errorf("%s has no signature for the PCRs as they are", path)
}

func (c *condition) satisfySigned(tpm transport.TPM, session tpm2.TPMISHPolicy, signatures string) error {
	public, err := c.signer()
	if err != nil {
		return err
	}
	if _, err = (tpm2.PolicyPCR{PolicySession: session, Pcrs: selection(c.PCRs)}).Execute(tpm); err != nil {
		return err
	}
	now, err := tpm2.PolicyGetDigest{PolicySession: session}.Execute(tpm)
	if err != nil {
		return err
	}
	signature, err := findSignature(signatures, now.PolicyDigest.Buffer)
	if err != nil {
		return err
	}
	key, err := tpm2.LoadExternal{InPublic: tpm2.New2B(*public), Hierarchy: tpm2.TPMRHOwner}.Execute(tpm)
	if err != nil {
		return err
	}
	defer flush(tpm, key.ObjectHandle)
	digest := sha256.Sum256(now.PolicyDigest.Buffer)
	verified, err := tpm2.VerifySignature{
		KeyHandle: tpm2.NamedHandle{Handle: key.ObjectHandle, Name: key.Name},
		Digest:    tpm2.TPM2BDigest{Buffer: digest[:]},
		Signature: tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgRSASSA, Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgRSASSA,
			&tpm2.TPMSSignatureRSA{Hash: tpm2.TPMAlgSHA256, Sig: tpm2.TPM2BPublicKeyRSA{Buffer: signature}})},
	}.Execute(tpm)
	if err != nil {
		return err
	}
	_, err = tpm2.PolicyAuthorize{PolicySession: session, ApprovedPolicy: now.PolicyDigest, KeySign: key.Name,
		CheckTicket: verified.Validation}.Execute(tpm)
	return err
}
