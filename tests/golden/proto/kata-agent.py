#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Kata's agent speaks: each call, field and enumerator of Kata's own .proto files, a line each, lower case and without '_' (they are
spelled in several ways). test_agent_messages holds ours against it. Beside it kata-agent-*.txt become bytes by Google's encoder:

	cd kata-containers/src/libs/protocols/protos    # release 4.1.0
	to=…/tests/golden/proto
	python3 $to/kata-agent.py agent.proto health.proto oci.proto types.proto >$to/kata-agent-contract
	protoc-c --encode=grpc.Spec oci.proto <$to/kata-agent-spec.txt >$to/kata-agent-spec
	protoc-c --proto_path=. --proto_path=FOLDER --encode=grpc.StatsContainerResponse agent.proto <$to/kata-agent-stats.txt >$to/kata-agent-stats

FOLDER has google/protobuf/empty.proto (Debian: libprotobuf-dev).
"""
import re
import sys


def statements(text):
    text = re.sub(r"//[^\n]*", "", text)
    for piece in re.finditer(r"([^;{}]*)([;{}])", text):
        yield " ".join(piece.group(1).split()), piece.group(2)


def lines(text):
    scopes = []
    for head, end in statements(text):
        if end == "}":
            scopes.pop()
        elif end == "{":
            scopes.append(head.split())
        elif scopes:
            yield from statement(head, scopes)


def statement(head, scopes):
    call = re.match(r"rpc (\w+) ?\(([\w.]+)\) returns ?\(([\w.]+)\)", head)
    field = re.match(r"(optional |repeated )?(map ?<.*?>|[\w.]+) (\w+) = (\d+)", head)
    value = re.match(r"(\w+) = (\d+)$", head)
    owner = [scope[1] for scope in scopes if scope[0] in ("message", "enum", "service")][-1]
    if call:
        yield "grpc.%s/%s %s %s" % (owner, call[1], call[2].split(".")[-1], call[3].split(".")[-1])
    elif scopes[-1][0] == "enum" and value:
        yield "%s.%s = %s" % (owner, value[1], value[2])
    elif field:
        kind = field[2].replace(" ", "") if field[2].startswith("map") else field[2].split(".")[-1]
        yield "%s.%s = %s %s%s" % (owner, field[3], field[4], "repeated " if field[1] == "repeated " else "", kind)


print("# Kata's agent 4.1.0: written by kata-agent.py")
for path in sys.argv[1:]:
    with open(path) as file:
        for line in lines(file.read()):
            print(line.lower().replace("_", ""))
