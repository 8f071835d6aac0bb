// SPDX-License-Identifier: Apache-2.0

// The objects of docs/secrets.md, "The format". The order of the fields is that of the header.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

const (
	apiVersion = "tpm.holdfast/v1alpha1"
	context    = "holdfast " + apiVersion + " TPMSecret\n"
)

type metadata struct {
	Name string `json:"name"`
}

type nodeKey struct {
	Metadata metadata
	Spec     struct {
		RootKey struct{ Public, Name string } `yaml:"rootKey"`
		Hold    struct{ Public, Name, Value string }
	}
}

type file struct {
	Name string `json:"name"`
	Mode string `json:"mode"`
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	Size int    `json:"size"`
}

type allow struct {
	Namespace      string            `json:"namespace"`
	ServiceAccount string            `json:"serviceAccount" yaml:"serviceAccount"`
	Labels         map[string]string `json:"labels,omitempty"`
}

type condition struct {
	Type   string   `json:"type"`
	Index  string   `json:"index,omitempty"`
	Name   string   `json:"name,omitempty"`
	Value  string   `json:"value,omitempty"`
	PCRs   []uint   `json:"pcrs,omitempty" yaml:"pcrs"`
	Values []string `json:"values,omitempty"`
	Key    string   `json:"key,omitempty"`
}

type recipient struct {
	Node    string      `json:"node"`
	RootKey string      `json:"rootKey" yaml:"rootKey"`
	Release []condition `json:"release"`
	Public  string      `json:"public"`
	Private string      `json:"private"`
	Seed    string      `json:"seed"`
}

type spec struct {
	Version    string      `json:"version"`
	Sandbox    string      `json:"sandbox"`
	Files      []file      `json:"files"`
	Allow      []allow     `json:"allow"`
	Recipients []recipient `json:"recipients"`
	Nonce      string      `json:"nonce"`
	Data       string      `json:"data,omitempty"`
}

type secret struct {
	APIVersion string   `json:"apiVersion" yaml:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       spec     `json:"spec"`
}

func (s *secret) recipient(node string) (*recipient, error) {
	for i := range s.Spec.Recipients {
		if s.Spec.Recipients[i].Node == node {
			return &s.Spec.Recipients[i], nil
		}
	}
	return nil, fmt.Errorf("%s is not sealed for node %s", s.Metadata.Name, node)
}

func compactJSON(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// Everything that decides: the name, and the spec without its data.
func (s *secret) additionalData() ([]byte, error) {
	header := struct {
		Name string `json:"name"`
		spec
	}{s.Metadata.Name, s.Spec}
	header.Data = ""
	text, err := compactJSON(header)
	return append([]byte(context), text...), err
}

func fromBase64(text string) ([]byte, error) { return base64.StdEncoding.DecodeString(text) }
func toBase64(b []byte) string               { return base64.StdEncoding.EncodeToString(b) }
func toHex(b []byte) string                  { return hex.EncodeToString(b) }
