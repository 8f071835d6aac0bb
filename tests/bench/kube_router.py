#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kube-router in this network namespace, as bench_net's peer.

Plays an API server on loopback for one node, with guard.c's objects: SELECTING policies select the server, of which only the last lets the
client in; OTHERS concern other pods, a tenth of them on this node. When the kernel has the rules of all of them, the last policy changes
once. Prints "ready" and how many milliseconds that took, from the event's bytes at the socket to the end of the sync that it caused. Ends
on SIGTERM and takes all rules and sets of the namespace away, so it wants one that has none.

    unshare -n tests/bench/kube_router.py SELECTING OTHERS
    tests/bench/kube_router.py --check                        is there what it needs? If not, says what and how to get it
"""
import http.server
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

NODE, NODE_ADDRESS, FAR_ADDRESS = "node-a", "10.9.0.11", "10.9.0.12"
SERVER, CLIENT = "10.1.0.3", "10.1.0.2"  # traffic.h
KINDS = {"nodes": ("v1", "Node"), "pods": ("v1", "Pod"), "namespaces": ("v1", "Namespace"), "services": ("v1", "Service"),
         "endpoints": ("v1", "Endpoints"), "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
         "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy")}
OPTIONS = ["--run-router=false", "--run-service-proxy=false", "--run-firewall=true", "--hostname-override=" + NODE, "--metrics-port=0",
           "--health-port=0", "--iptables-sync-period=24h", "--v=2"]
BUILD = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../cluster/build")
QUIET_S = 1
TIMEOUT = 300


# ── the cluster ──

def meta(name, namespace=None, labels=None):
    scope = {"namespace": namespace} if namespace else {}
    return {"name": name, "uid": name, "resourceVersion": "1", "labels": labels or {}, **scope}


def node():
    return {"metadata": meta(NODE), "spec": {"podCIDR": "10.1.0.0/16", "podCIDRs": ["10.1.0.0/16"]},
            "status": {"addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}]}}


def pod(namespace, name, address, is_here):
    return {"metadata": meta(name, namespace, {"app": name}),
            "spec": {"nodeName": NODE if is_here else "far", "containers": [{"name": "c"}]},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
                       "hostIP": NODE_ADDRESS if is_here else FAR_ADDRESS}}


def policy(namespace, name, app, *peers):
    return {"metadata": meta(name, namespace),
            "spec": {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress"],
                     "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": peer}}} for peer in peers]}]}}


def cluster(selecting, others):
    pods = [pod("shop", "server", SERVER, True), pod("shop", "client", CLIENT, True)]
    policies = []
    for i in range(selecting - 1):
        pods.append(pod("shop", f"peer-{i}", f"10.2.{i // 250}.{i % 250 + 1}", False))
        policies.append(policy("shop", f"policy-{i:05}", "server", f"peer-{i}"))
    policies.append(policy("shop", "last", "server", "client"))
    for i in range(others):
        pods.append(pod("others", f"other-{i}", f"10.3.{i // 250}.{i % 250 + 1}", i % 10 == 0))
        policies.append(policy("others", f"policy-{i:05}", f"other-{i}", "nobody"))
    namespaces = [{"metadata": meta(name)} for name in ("shop", "others")]
    return {**{kind: [] for kind in KINDS}, "nodes": [node()], "pods": pods, "namespaces": namespaces, "networkpolicies": policies}


def whole(kind, item):
    version, name = KINDS[kind]
    return {"apiVersion": version, "kind": name, **item}


# ── the API server ──

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as Go's servers do

    def log_message(self, *_):
        pass

    def answer(self, code, what):
        body = json.dumps(what).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def watch(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            item = self.server.changed[kind].get()
            event = json.dumps({"type": "MODIFIED", "object": whole(kind, item)}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))

    def do_GET(self):
        path, _, query = self.path.partition("?")
        kind = path.rpartition("/")[2]
        if "sendInitialEvents" in query:  # then it lists
            self.answer(400, {})
        elif kind in KINDS and "watch=true" in query:
            self.watch(kind)
        elif kind in KINDS:
            version, name = KINDS[kind]
            items = self.server.cluster[kind]
            self.answer(200, {"apiVersion": version, "kind": name + "List", "metadata": {"resourceVersion": "1"}, "items": items})
        elif kind == NODE:
            self.answer(200, whole("nodes", node()))
        else:
            self.answer(404, {})


def serve(objects):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.cluster = objects
    server.changed = {kind: queue.SimpleQueue() for kind in KINDS}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


# ── kube-router ──

class Router:
    def __init__(self, program, port):
        self.process = subprocess.Popen([program, f"--master=http://127.0.0.1:{port}", *OPTIONS], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.log = queue.SimpleQueue()
        threading.Thread(target=self.read_log, daemon=True).start()

    def read_log(self):
        for line in self.process.stderr:
            self.log.put(line)
        self.log.put(None)

    def wait_for(self, text):
        last = ""
        while text not in (line := self.next_line(last)):
            last = line

    def next_line(self, last="", patience=None):
        line = self.log.get(timeout=patience)
        if line is None:
            sys.exit(f"kube-router ended; the last it said was: {last}")
        return line

    def wait_for_sync(self):
        """One that begins from now on."""
        self.wait_for("Starting sync of iptables")
        self.wait_for("sync iptables took")

    def wait_until_idle(self):
        """Events of before may have asked for one sync more, which begins at once."""
        try:
            while True:
                if "Starting sync of iptables" in self.next_line(patience=QUIET_S):
                    self.wait_for("sync iptables took")
        except queue.Empty:
            pass

    def end(self):
        """Not killed: what it runs to write rules would outlive it."""
        self.process.terminate()
        self.process.wait()


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout


def has_rules(selecting):
    """The chain of the server's pod jumps to every policy that selects it; all rules are written at once."""
    jumps = re.findall(rf"^-A KUBE-POD-FW-\S+ -d {SERVER}/32 .*-j KUBE-NWPLCY-(?!DEFAULT)", output("iptables-save", "-t", "filter"), re.M)
    return len(jumps) == selecting


def clean_up():
    output("iptables", "-F")
    output("iptables", "-X")
    output("nft", "delete", "table", "ip", "filter")  # iptables-nft's: empty chains cost packets too
    output("ipset", "destroy")


def change(server, router):
    begin = time.monotonic()
    server.changed["networkpolicies"].put(policy("shop", "last", "server", "client", "nobody"))
    router.wait_for("Received update for network policy: shop/last")
    router.wait_for_sync()
    return (time.monotonic() - begin) * 1e3


def run(program, selecting, others):
    server = serve(cluster(selecting, others))
    router = Router(program, server.server_port)
    try:
        while not has_rules(selecting):
            router.wait_for_sync()
        router.wait_until_idle()
        took = change(server, router)
        router.wait_until_idle()
        print(f"ready {took:.1f}", flush=True)
        while True:
            signal.pause()
    finally:
        router.end()
        clean_up()


def find_program():
    missing = [tool for tool in ("iptables", "ipset") if not shutil.which(tool)]
    if missing:
        sys.exit(f"kube-router is left out: there is no {' and no '.join(missing)}; install the package of that name")
    program = output(BUILD, "--print-path", "kube-router").strip()
    if not program:
        sys.exit("kube-router is left out: it is not built; run tests/cluster/build kube-router")
    return program


def main():
    program = find_program()
    if sys.argv[1] == "--check":
        return
    if output("iptables-save") or output("ipset", "list", "-n"):
        sys.exit("there are iptables rules or ipsets in this network namespace, which would be lost: use a new one (unshare -n)")
    os.sched_setaffinity(0, range(os.cpu_count()))  # the bench is tied to one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    run(program, int(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    main()
