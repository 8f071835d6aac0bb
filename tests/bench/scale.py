#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent at scale: memory, the time from an event at its socket to the committed transaction and to the last packet that it forbids,
and what a pod's start costs while objects change.

Plays an API server on loopback (TLS, streaming lists and watches, nothing else). One agent has an empty cluster to look at: idle. The next
lists PODS pods and POLICIES policies; LOCAL endpoints are added through the real CNI executable; then come single events, each until the
kernel says itself that a new generation of nf_tables is in force (NFNLGRP_NFTABLES). Runs in a network and mount namespace of its own;
prints JSON.

    unshare -n -m tests/bench/scale.py BUILD-DIRECTORY [PODS POLICIES LOCAL EVENTS]        (0 0 0 0: idle only)
"""
import ctypes
import http.server
import json
import mmap
import os
import random
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

NAMESPACES = 100
NETLINK_NETFILTER = 12  # linux/netlink.h; Python has no name for it
SO_TIMESTAMPNS = 35  # asm-generic/socket.h
NFNLGRP_NFTABLES = 7  # linux/netfilter/nfnetlink.h
NFT_MSG_NEWGEN = (10 << 8) | 15  # NFNL_SUBSYS_NFTABLES, linux/netfilter/nf_tables.h
KINDS = {"pods": ("v1", "Pod"), "namespaces": ("v1", "Namespace"), "nodes": ("v1", "Node"),
         "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy")}


class Cluster:
    """All objects and the open watches. One lock, since nothing here is timed but single events."""

    def __init__(self):
        self.lock = threading.Lock()
        self.version = 1
        self.objects = {kind: {} for kind in KINDS}
        self.watches = {kind: [] for kind in KINDS}

    def put(self, kind, item):
        """Stores the object and sends it to the watches; returns when the bytes are in the agent's socket."""
        with self.lock:
            self.version += 1
            item["metadata"]["resourceVersion"] = str(self.version)
            key = (item["metadata"].get("namespace", ""), item["metadata"]["name"])
            event = "MODIFIED" if key in self.objects[kind] else "ADDED"
            self.objects[kind][key] = item
            for watch in self.watches[kind]:
                watch.event(event, item)

    def forget_watches(self):
        with self.lock:
            self.watches = {kind: [] for kind in KINDS}

    def followed(self):
        """Whether every kind was listed and is watched."""
        return all(self.watches.values())

    def bookmark(self, kind):
        version, name = KINDS[kind]
        return {"apiVersion": version, "kind": name, "metadata": {
            "resourceVersion": str(self.version), "annotations": {"k8s.io/initial-events-end": "true"}}}


CLUSTER = Cluster()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as Go's servers do; else a delayed acknowledgement is measured, not the agent

    def log_message(self, *_):
        pass

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, kind, item):
        self.chunk(json.dumps({"type": kind, "object": item}).encode() + b"\n")
        self.wfile.flush()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        kind = url.path.rsplit("/", 1)[-1]
        query = urllib.parse.parse_qs(url.query)
        if kind not in KINDS or "watch" not in query:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with CLUSTER.lock:
            for item in CLUSTER.objects[kind].values():
                self.event("ADDED", item)
            self.event("BOOKMARK", CLUSTER.bookmark(kind))
            CLUSTER.watches[kind].append(self)
        threading.Event().wait()


def pod(i, app=None, node=None):
    """About as large as a real pod's JSON, so that parsing costs what it costs."""
    padding = [{"name": "VARIABLE_%d" % n, "value": "some value or other %d" % n} for n in range(40)]
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "pod-%d" % i, "namespace": "ns-%d" % (i % NAMESPACES), "uid": "uid-%d" % i,
                         "labels": {"app": app or "app-%d" % (i // NAMESPACES % 20), "tier": "t%d" % (i % 3),
                                    "pod-template-hash": "%08x" % i}},
            "spec": {"nodeName": node or "node-%d" % (i % 40),
                     "containers": [{"name": "main", "image": "registry.example/app:1", "env": padding,
                                     "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}]},
            "status": {"phase": "Running", "podIP": address(i), "podIPs": [{"ip": address(i)}, {"ip": address6(i)}]}}


def address(i):
    return "10.%d.%d.%d" % (100 + i // 62500, i // 250 % 250, i % 250 + 1)


def address6(i):
    return "fd44::%x:%x" % (i >> 16, i & 0xffff)


def policy(i, peer=None):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "policy-%d" % (i // NAMESPACES), "namespace": "ns-%d" % (i % NAMESPACES), "uid": "policy-%d" % i},
            "spec": {"podSelector": {"matchLabels": {"app": "app-%d" % (i // NAMESPACES)}}, "policyTypes": ["Ingress", "Egress"],
                     "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": peer or "app-%d" % ((i // NAMESPACES + 1) % 20)}}},
                                           {"namespaceSelector": {"matchLabels": {"team": "team-%d" % ((i + 1) % 10)}}}],
                                  "ports": [{"port": 8080, "protocol": "TCP"}]},
                                 {"from": [{"ipBlock": {"cidr": "192.168.%d.0/24" % (i % 250)}}]}],
                     "egress": [{"to": [{"podSelector": {}}], "ports": [{"port": "http", "protocol": "TCP"}]}]}}


def namespace(i):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns-%d" % i, "uid": "ns-%d" % i, "labels": {
        "kubernetes.io/metadata.name": "ns-%d" % i, "team": "team-%d" % (i % 10)}}}


class Generations:
    """Waits for the next generation of the ruleset."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.socket.bind((0, 1 << (NFNLGRP_NFTABLES - 1)))

    def drain(self):
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(1 << 20)
        except BlockingIOError:
            self.socket.setblocking(True)

    def wait(self, seconds=10):
        self.socket.settimeout(seconds)
        while True:
            data = self.socket.recv(1 << 20)
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind == NFT_MSG_NEWGEN:
                    return time.perf_counter_ns()
                data = data[(length + 3) & ~3:]


def serve(folder):
    """Starts the API server with a certificate of its own, <folder>/cert.pem; returns its port."""
    subprocess.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=api "
                   "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem",
                   shell=True, check=True, cwd=folder, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Agent:
    def __init__(self, build, folder, port):
        self.build, self.folder = build, folder
        config = os.path.join(folder, "holdfast.yaml")
        kubeconfig = os.path.join(folder, "kubeconfig")
        with open(kubeconfig, "w") as file:
            file.write("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: c\n"
                       "  cluster: {server: 'https://127.0.0.1:%d', certificate-authority: %s/cert.pem}\n"
                       "contexts:\n- name: c\n  context: {cluster: c, user: u}\nusers:\n- name: u\n  user: {token: bench}\n"
                       % (port, folder))
        with open(config, "w") as file:
            file.write("network:\n  nodeName: node-local\n  source:\n    kubeconfig: %s\n" % kubeconfig)
        self.log = open(os.path.join(folder, "agent.log"), "w")
        self.process = subprocess.Popen([build + "/bin/holdfast-net", "agent", "--config", config], stderr=self.log)
        self.until(lambda: os.path.exists("/run/holdfast/net.sock"))

    def until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or self.process.poll() is not None:
                with open(self.log.name) as file:
                    sys.exit("the agent did not get there; its log ends:\n" + "".join(file.readlines()[-20:]))
            time.sleep(0.02)

    def ready(self):
        return subprocess.run(["curl", "-fs", "-o", "/dev/null", "http://127.0.0.1:9470/readyz"]).returncode == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def kib(self, file, field):
        with open("/proc/%d/%s" % (self.process.pid, file)) as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))

    def memory_kib(self):
        """Resident; of it alone this process's own, as far as it is not read from files; and the most there ever was."""
        return {"rss": self.kib("status", "VmRSS"), "anonymous": self.kib("status", "RssAnon"), "pss": self.kib("smaps_rollup", "Pss"),
                "peak": self.kib("status", "VmHWM")}

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def add(self, i, netns):
        """One CNI ADD by the real executable for pod i; its veth stands ready."""
        name = "e%d" % i
        subprocess.run("ip link add v%s type veth peer name %s netns %s" % (name, name, netns), shell=True, check=True)
        config = {"cniVersion": "1.0.0", "name": "bench", "type": "holdfast", "prevResult": {
            "cniVersion": "1.0.0", "interfaces": [{"name": "v" + name}, {"name": name, "sandbox": "/run/netns/" + netns}],
            "ips": [{"address": address(i) + "/24", "interface": 1}, {"address": address6(i) + "/64", "interface": 1}]}}
        item = pod(i)["metadata"]
        environment = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c%d" % i, "CNI_NETNS": "/run/netns/" + netns, "CNI_IFNAME": name,
                       "CNI_PATH": "/", "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=%s;K8S_POD_NAME=%s;K8S_POD_UID=%s" % (
                           item["namespace"], item["name"], item["uid"])}
        subprocess.run([self.build + "/bin/holdfast"], input=json.dumps(config).encode(), env=environment, check=True,
                       stdout=subprocess.DEVNULL)


class Probe:
    """A datagram every 0.2 ms from pod FIRST to pod FIRST + 1, in a process of its own; when the last one arrived is in shared memory."""
    FIRST = 9000  # in namespaces of their own: no other event here selects them
    PORT = 7000

    def __init__(self, agent):
        self.memory = mmap.mmap(-1, 8)
        for i in (self.FIRST, self.FIRST + 1):
            CLUSTER.put("pods", pod(i, node="node-local"))
            netns = "probe-%d" % i
            subprocess.run(["ip", "netns", "add", netns], check=True)
            agent.add(i, netns)
            self.wire(i, netns)
        self.ready, child = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.live(child)
        os.read(self.ready, 1)

    @staticmethod
    def wire(i, netns):
        commands = ("ip link set ve{0} up; ip address add 169.254.1.1/32 dev ve{0}; ip route add {1} dev ve{0}; ip -n {2} link set e{0} up; "
                    "ip -n {2} address add {1}/32 dev e{0}; ip -n {2} route add default via 169.254.1.1 dev e{0} onlink; "
                    "echo 1 >/proc/sys/net/ipv4/ip_forward")
        subprocess.run(["bash", "-ec", commands.format(i, address(i), netns)], check=True)

    def socket_in(self, i):
        with open("/run/netns/probe-%d" % i) as file:
            if ctypes.CDLL(None).setns(file.fileno(), 0) != 0:
                os._exit(1)
        result = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        result.bind((address(i), self.PORT))
        return result

    def live(self, ready):
        client, server = self.socket_in(self.FIRST), self.socket_in(self.FIRST + 1)
        server.setblocking(False)
        server.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        os.write(ready, b"r")
        while os.getppid() != 1:
            client.sendto(b"x", (address(self.FIRST + 1), self.PORT))
            time.sleep(0.0002)
            try:
                while True:
                    _, control, _, _ = server.recvmsg(16, 64)
                    seconds, nanoseconds = struct.unpack("qq", control[0][2])
                    self.memory[:] = struct.pack("q", seconds * 1000000000 + nanoseconds)
            except BlockingIOError:
                pass

    def last(self):
        return struct.unpack("q", self.memory[:])[0]

    def allow(self, allow):
        i = self.FIRST + 1
        CLUSTER.put("networkpolicies", {
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "probe", "namespace": "ns-%d" % (i % NAMESPACES), "uid": "probe"},
            "spec": {"podSelector": {"matchLabels": {"pod-template-hash": "%08x" % i}}, "ingress": [{"from": [
                {"namespaceSelector": {}, "podSelector": {"matchLabels": {"pod-template-hash": "%08x" % self.FIRST if allow else "none"}}}]}]}})

    def until(self, condition):
        end = time.monotonic() + 20
        while not condition():
            if time.monotonic() > end:
                sys.exit("the probe does not see the change of policy")
            time.sleep(0.001)

    def cut(self):
        """Milliseconds from the event to the last packet that arrived: none for 50 ms after it."""
        self.allow(True)
        begin = time.time_ns()
        self.until(lambda: self.last() > begin)
        begin = time.time_ns()
        self.allow(False)
        self.until(lambda: time.time_ns() - max(self.last(), begin) > 50000000)
        return max(self.last() - begin, 0) / 1e6

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def churn(stop, per_second):
    """Policies and labels that concern this node's pods, and others that do not."""
    i = 0
    while not stop.wait(1 / per_second):
        i += 1
        if i % 4 == 0:
            CLUSTER.put("networkpolicies", policy(i % 1000, "app-%d" % (i % 17)))
        else:
            CLUSTER.put("pods", pod(1000 + i % 5000, "app-%d" % (i % 20)))


def adds_under_churn(agent, count, per_second):
    """Whole executions of the CNI executable for one pod, ADD and DEL in turn, ADD timed (exec_time)."""
    item, stop = pod(0)["metadata"], threading.Event()
    subprocess.run("ip netns add start; ip link add vstart type veth peer name eth0 netns start", shell=True, check=True)
    config = {"cniVersion": "1.0.0", "name": "bench", "type": "holdfast", "prevResult": {
        "cniVersion": "1.0.0", "ips": [{"address": "10.199.0.1/24"}, {"address": "fd99::1/64"}]}}
    environment = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "start", "CNI_NETNS": "/run/netns/start", "CNI_IFNAME": "eth0", "CNI_PATH": "/",
                   "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=%s;K8S_POD_NAME=%s;K8S_POD_UID=%s" % (
                       item["namespace"], item["name"], item["uid"])}
    path = os.path.join(agent.folder, "start.json")
    with open(path, "w") as file:
        json.dump(config, file)
    thread = threading.Thread(target=churn, args=(stop, per_second), daemon=True)
    thread.start()
    result = subprocess.run([agent.build + "/tests/support/exec_time", "add", str(count), path, agent.build + "/bin/holdfast"],
                            env=environment, check=True, stdout=subprocess.PIPE).stdout
    stop.set()
    thread.join()
    return dict(json.loads(result), events_per_s=per_second)


def quantiles(values):
    ordered = sorted(values)
    return {"n": len(ordered), "p50_ms": round(statistics.median(ordered), 3),
            "p99_ms": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 3), "max_ms": round(ordered[-1], 3)}


def measure(agent, events, send):
    """Milliseconds from each event's last byte at the agent's socket to the new generation; and the agent's CPU per event."""
    generations = Generations()
    times = []
    before = agent.cpu_seconds()
    for i in range(events):
        generations.drain()
        start = time.perf_counter_ns()
        send(i)
        times.append((generations.wait() - start) / 1e6)
        time.sleep(0.02)  # wider than the agent's merging, which would flatter the result
    result = quantiles(times)
    result["cpu_ms_per_event"] = round((agent.cpu_seconds() - before) * 1000 / events, 3)
    return result


def run(build, pods, policies, local, events):
    subprocess.run("mount --make-rprivate / && mkdir -p /var/lib/holdfast && mount -t tmpfs tmpfs /var/lib/holdfast && "
                   "mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up && ip netns add pods",
                   shell=True, check=True)
    result = {"bench": "scale", "pods": pods, "policies": policies, "local_endpoints": local, "kib": {}}
    with tempfile.TemporaryDirectory() as folder:
        port = serve(folder)
        agent = Agent(build, folder, port)
        try:
            agent.until(lambda: agent.ready() and CLUSTER.followed())
            result["kib"]["idle"] = agent.memory_kib()
            if not pods:
                print(json.dumps(result))
                return
            agent.stop()
            CLUSTER.forget_watches()
            subprocess.run("rm -rf /var/lib/holdfast/*", shell=True, check=True)  # no snapshot: everything is listed
            for kind, count, make in (("namespaces", NAMESPACES, namespace), ("pods", pods, pod), ("networkpolicies", policies, policy)):
                for i in range(count):
                    CLUSTER.put(kind, make(i))
            start = time.monotonic()
            agent = Agent(build, folder, port)
            agent.until(CLUSTER.followed)
            result["start_to_listed_ms"] = round((time.monotonic() - start) * 1000)
            result["kib"]["listed"] = agent.memory_kib()
            for i in range(local):
                agent.add(i, "pods")
            measure(agent, 10, lambda i: CLUSTER.put("networkpolicies", policy(i, "app-%d" % random.randrange(20, 1000))))
            result["kib"]["steady"] = agent.memory_kib()
            # Every event must change the ruleset: peers that the policy did not have, and a label that policies of the namespace name.
            result["policy_event"] = measure(agent, events, lambda i: CLUSTER.put(
                "networkpolicies", policy(i % local, "app-%d" % (2 + i % 17) if i % 2 else "none-%d" % i)))
            measure(agent, local, lambda i: CLUSTER.put("networkpolicies", policy(i, "app-x")))
            result["pod_event"] = measure(agent, events, lambda i: CLUSTER.put(
                "pods", pod(local + i % local, "app-y" if i // local % 2 else "app-x")))
            probe = Probe(agent)
            result["event_to_last_wrong_packet"] = quantiles([probe.cut() for _ in range(max(events // 3, 1))])
            probe.end()
            result["add_under_churn"] = adds_under_churn(agent, events, 200)
            result["kib"]["after_events"] = agent.memory_kib()
        finally:
            agent.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    arguments = [int(a) for a in sys.argv[2:]] or [10000, 1000, 100, 300]
    run(os.path.abspath(sys.argv[1]), *arguments)
