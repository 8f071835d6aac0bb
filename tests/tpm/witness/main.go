// SPDX-License-Identifier: Apache-2.0

// An independent witness of Holdfast's sealed secrets, written from docs/secrets.md alone, on Google's TPM library:
//
//	witness seal -name N -node-key FILE -allow NS/ACCOUNT -file NAME=PATH [-pcr LIST=HEX,...] [-signed-pcr LIST -key FILE]
//	witness open -tpm HOST:PORT -node NODE [-signatures FILE]  <TPMSecret
//
// seal prints a TPMSecret. open prints the content key and the files, as tests/tpm/unseal does. Flags that are lists may be repeated.
package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"go.yaml.in/yaml/v3"
)

type repeated []string

func (r *repeated) String() string     { return strings.Join(*r, " ") }
func (r *repeated) Set(s string) error { *r = append(*r, s); return nil }

func numbers(text string) ([]uint, error) {
	var list []uint
	for _, word := range strings.Split(text, ",") {
		number, err := strconv.ParseUint(word, 10, 8)
		if err != nil {
			return nil, err
		}
		list = append(list, uint(number))
	}
	return list, nil
}

func conditionsOf(pcr, signed, key string) ([]condition, error) {
	var list []condition
	if signed != "" {
		pem, err := os.ReadFile(key)
		if err != nil {
			return nil, err
		}
		pcrs, err := numbers(signed)
		if err != nil {
			return nil, err
		}
		list = append(list, condition{Type: "signed-pcr", PCRs: pcrs, Key: string(pem)})
	}
	if pcr != "" {
		left, right, _ := strings.Cut(pcr, "=")
		pcrs, err := numbers(left)
		if err != nil {
			return nil, err
		}
		list = append(list, condition{Type: "pcr", PCRs: pcrs, Values: strings.Split(right, ",")})
	}
	return list, nil
}

func (s *secret) addAllow(text string) {
	rule, pairs, labelled := strings.Cut(text, ",")
	namespace, account, _ := strings.Cut(rule, "/")
	entry := allow{Namespace: namespace, ServiceAccount: account}
	if labelled {
		entry.Labels = map[string]string{}
		for _, pair := range strings.Split(pairs, ",") {
			key, value, _ := strings.Cut(pair, "=")
			entry.Labels[key] = value
		}
	}
	s.Spec.Allow = append(s.Spec.Allow, entry)
}

func (s *secret) addFiles(files []string) ([]byte, error) {
	var content []byte
	for _, text := range files {
		name, path, _ := strings.Cut(text, "=")
		bytes, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		s.Spec.Files = append(s.Spec.Files, file{Name: name, Mode: "0400", Size: len(bytes)})
		content = append(content, bytes...)
	}
	return content, nil
}

func (s *secret) addNode(path string, conditions []condition, key []byte) error {
	var node nodeKey
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &node)
	}
	if err != nil {
		return err
	}
	recipient, err := wrap(&node, conditions, key)
	if err == nil {
		s.Spec.Recipients = append(s.Spec.Recipients, *recipient)
	}
	return err
}

func seal(arguments []string) error {
	var nodes, allows, files repeated
	flags := flag.NewFlagSet("seal", flag.ExitOnError)
	name := flags.String("name", "", "")
	sandbox := flags.String("sandbox", "any", "")
	pcr, signed, signer := flags.String("pcr", "", ""), flags.String("signed-pcr", "", ""), flags.String("key", "", "")
	flags.Var(&nodes, "node-key", "")
	flags.Var(&allows, "allow", "")
	flags.Var(&files, "file", "")
	_ = flags.Parse(arguments)
	s := secret{APIVersion: apiVersion, Kind: "TPMSecret", Metadata: metadata{*name}, Spec: spec{Version: "1", Sandbox: *sandbox}}
	for _, text := range allows {
		s.addAllow(text)
	}
	content, err := s.addFiles(files)
	if err != nil {
		return err
	}
	key := make([]byte, 32)
	if _, err = rand.Read(key); err != nil {
		return err
	}
	conditions, err := conditionsOf(*pcr, *signed, *signer)
	if err != nil {
		return err
	}
	for _, path := range nodes {
		if err = s.addNode(path, conditions, key); err != nil {
			return err
		}
	}
	if err = s.encrypt(key, content); err != nil {
		return err
	}
	text, err := compactJSON(s)
	fmt.Println(string(text))
	return err
}

func connect(address string) (transport.TPMCloser, error) {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	tpm := transport.FromReadWriteCloser(connection)
	_, err = tpm2.Startup{StartupType: tpm2.TPMSUClear}.Execute(tpm)
	if err != nil && !errors.Is(err, tpm2.TPMRCInitialize) {
		return nil, err
	}
	return tpm, nil
}

func open(arguments []string) error {
	var s secret
	flags := flag.NewFlagSet("open", flag.ExitOnError)
	address, node, signatures := flags.String("tpm", "", ""), flags.String("node", "", ""), flags.String("signatures", "", "")
	_ = flags.Parse(arguments)
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = yaml.Unmarshal(text, &s)
	}
	if err != nil {
		return err
	}
	recipient, err := s.recipient(*node)
	if err != nil {
		return err
	}
	tpm, err := connect(*address)
	if err != nil {
		return err
	}
	defer tpm.Close()
	key, err := contentKey(tpm, recipient, *signatures)
	if err != nil {
		return err
	}
	return printOpened(&s, key)
}

func main() {
	commands := map[string]func([]string) error{"seal": seal, "open": open}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: witness seal|open [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "witness:", err)
		os.Exit(1)
	}
}
