#!/usr/bin/env python3
"""Measures the wire against a bare veth pair, interleaved.

    cargo build --release --manifest-path bench/wire/Cargo.toml
    sudo bench/wire/run.py SLICE...        slices: tcp packet hops udp delay rate reno
                                           scale edits overload past peers
    sudo bench/wire/run.py table           what was measured so far, as the table of docs/wire.md

Each slice takes at most 100 s and adds to bench/wire/results.json; in a slice every configuration runs once per
round, so that ratios compare neighbours in time. Repeat slices for more rounds. `peers` runs
other emulators: netem, and Rattan and uBridge whose programs it is told of.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BENCH = HERE / "target/release/wire-bench"
RESULTS = HERE / "results.json"
MS = 1_000_000
ALL = (1 << 64) - 1


def sh(line, **kwargs):
    return subprocess.run(line.split(), check=True, capture_output=True, text=True, **kwargs).stdout


@contextlib.contextmanager
def ahead():
    """Puts this session before others, whose programs would halve every figure: where sessions share the processors
    (sched_autogroup) niceness counts only within one of them."""
    session = pathlib.Path("/proc/self/autogroup")
    if not session.exists():
        yield
        return
    before = session.read_text().split()[-1]
    session.write_text("-15")
    try:
        yield
    finally:
        session.write_text(before)


class Namespaces:
    """Network namespaces of this process, gone afterwards."""

    def __init__(self, names):
        self.names = [f"wb{os.getpid()}{name}" for name in names]

    def __enter__(self):
        for name in self.names:
            sh(f"ip netns add {name}")
            sh(f"ip netns exec {name} ip link set lo up")
            for key in ("all", "default"):
                sh(f"ip netns exec {name} sysctl -qw net.ipv6.conf.{key}.disable_ipv6=1")
            # room for a window of 1 Gbit/s x 100 ms and more
            for key in ("rmem", "wmem"):
                sh(f"ip netns exec {name} tee /proc/sys/net/ipv4/tcp_{key}", input="4096 131072 134217728")
        return self.names

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class Wire:
    """A wire process with a lab; `taps` are words NETNS/IFNAME=PORT."""

    def __init__(self, taps):
        self.dir = tempfile.TemporaryDirectory(prefix="wire-bench-")
        socket = f"{self.dir.name}/wire.sock"
        self.wire = subprocess.Popen([BENCH, "wire", socket])
        self.lab = subprocess.Popen([BENCH, "lab", socket, *taps], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
        self.made = json.loads(self.lab.stdout.readline())

    def ask(self, line):
        print(line, file=self.lab.stdin, flush=True)
        return json.loads(self.lab.stdout.readline())

    def write(self, config):
        path = f"{self.dir.name}/config.json"
        pathlib.Path(path).write_text(json.dumps(config))
        return path

    def apply(self, config):
        return self.ask(f"apply {self.write(config)}")

    def status(self):
        return self.ask("status")

    def cpu_s(self):
        total = 0
        for task in pathlib.Path(f"/proc/{self.wire.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory(self):
        for line in pathlib.Path(f"/proc/{self.wire.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.communicate("quit\n", timeout=60)
        self.wire.terminate()
        self.wire.wait(timeout=30)
        self.dir.cleanup()


def link(a, b, **params):
    return {"ends": [a, b], "forward": params, "backward": params, "emulate": True,
            "connected": True}


def port(key):
    return {"port": key}


def seat(bridge, name):
    return {"bridge": {"bridge": bridge, "port": name}}


def pair(kind="tap", **params):
    return {"seed": 1, "ports": {"a": {"kind": kind}, "b": {"kind": kind}},
            "links": {"l": link(port("a"), port("b"), **params)}}


def hops(count, **params):
    """count links in a row with switches between."""
    config = {"seed": 1, "ports": {"a": {"kind": "tap"}, "b": {"kind": "tap"}}, "links": {},
              "bridges": {f"s{n}": {"mode": "switch"} for n in range(1, count)}}
    for n in range(count):
        left = port("a") if n == 0 else seat(f"s{n}", "1")
        right = port("b") if n == count - 1 else seat(f"s{n + 1}", "0")
        config["links"][f"l{n}"] = link(left, right, **params)
    return config


def address(ns, dev, n):
    sh(f"ip netns exec {ns} ip address add 10.9.{n // 250}.{n % 250 + 1}/16 dev {dev}")
    sh(f"ip netns exec {ns} ip link set {dev} up txqueuelen 1000")


def veth(a, b, dev, subnet, features=None):
    sh(f"ip link add {dev} netns {a} type veth peer name {dev} netns {b}")
    for n, ns in enumerate((a, b)):
        sh(f"ip netns exec {ns} ip address add 10.8.{subnet}.{n + 1}/24 dev {dev}")
        sh(f"ip netns exec {ns} ip link set {dev} up")
        if features:
            sh(f"ip netns exec {ns} ethtool -K {dev} {features}")


def tcp(server, client, target, seconds, congestion="cubic"):
    """Goodput in bit/s and retransmissions, without the first second."""
    listener = subprocess.Popen(["ip", "netns", "exec", server, "iperf3", "-s", "-1", "-A", "1",
                                 "--forceflush"], stdout=subprocess.PIPE, text=True)
    for line in listener.stdout:
        if "listening" in line:
            break
    line = f"ip netns exec {client} iperf3 -J -c {target} -t {seconds} -O 1 -C {congestion} -A 0"
    try:
        end = json.loads(sh(line))["end"]
    finally:
        listener.communicate(timeout=30)
    return end["sum_received"]["bits_per_second"], end["sum_sent"].get("retransmits", 0)


def udp(source, sink, target, seconds, pps):
    """What came, as the sink says, and how many were sent."""
    listener = subprocess.Popen(["ip", "netns", "exec", sink, BENCH, "sink", str(seconds + 5)],
                                stdout=subprocess.PIPE, text=True)
    assert "listening" in listener.stdout.readline()
    sent = json.loads(sh(f"ip netns exec {source} {BENCH} flood {target} {seconds} {pps}"))
    seen = json.loads(listener.stdout.readline())
    listener.wait(timeout=30)
    return seen | {"sent": sent["sent"], "sent_s": sent["seconds"]}


def ring_drops(ns, dev):
    """Packets that the kernel dropped in front of whoever reads a TAP."""
    shown = json.loads(sh(f"ip -n {ns} -s -j link show dev {dev}"))
    return shown[0]["stats64"]["tx"]["dropped"]


def degraded(status):
    """Directions that say of some time that they are not to be trusted."""
    sides = [link[side] for link in status["links"].values() for side in ("forward", "backward")]
    return sum(bool(side["degraded_intervals"]) for side in sides)


def reach(ns, target):
    for _ in range(50):
        line = ["ip", "netns", "exec", ns, "ping", "-c", "1", "-W", "1", target]
        if subprocess.run(line, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    sys.exit(f"{target} cannot be reached")


def packets(status, link="l"):
    both = status["links"][link]
    return both["forward"]["frames"] + both["backward"]["frames"]


def wire_tcp(wire, config, ns, seconds, key, links=("l",), **kwargs):
    """A row for a TCP run over the wire."""
    wire.apply(config)
    reach(ns[1], "10.9.0.1")
    before, cpu = wire.status(), wire.cpu_s()
    goodput, lost = tcp(ns[0], ns[1], "10.9.0.1", seconds, **kwargs)
    after, cpu = wire.status(), wire.cpu_s() - cpu
    moved = sum(packets(after, name) - packets(before, name) for name in links)
    return {"key": key, "bit_s": goodput, "retransmits": lost,
            "cpu_ns_per_packet": cpu * 1e9 / max(moved, 1)}


def slice_tcp(args):
    """TCP bulk: veth with and without offloads, wire plain, exact, delayed."""
    rows = []
    with Namespaces("ab") as ns:
        veth(*ns, "on", 1)
        veth(*ns, "off", 2, "tso off gso off gro off rx off tx off")
        with Wire([f"{ns[0]}/eth0=a", f"{ns[1]}/eth0=b"]) as wire:
            for n, name in enumerate(ns):
                address(name, "eth0", n)
            for _ in range(args.rounds or 3):
                rows.append({"key": "veth", "bit_s": tcp(ns[0], ns[1], "10.8.1.1", 3)[0]})
                rows.append({"key": "veth offloads off", "bit_s": tcp(ns[0], ns[1], "10.8.2.1", 3)[0]})
                rows.append(wire_tcp(wire, pair(), ns, 3, "tap exact"))
                rows.append(wire_tcp(wire, pair(delay_ns=10 * MS), ns, 5, "tap 10 ms"))
    return rows


def slice_past(args):
    """What it costs to keep the last seconds of a connection: TCP bulk with the past of all points kept, and without."""
    rows = []
    with Namespaces("ab") as ns, Wire([f"{ns[0]}/eth0=a", f"{ns[1]}/eth0=b"]) as wire:
        for n, name in enumerate(ns):
            address(name, "eth0", n)
        for _ in range(args.rounds or 5):
            for key, rate in (("1 Gbit/s", 1_000_000_000), ("no rate", None)):
                config = pair(bandwidth_bit_s=rate)
                rows.append(wire_tcp(wire, config, ns, 3, f"past off, {key}"))
                config["links"]["l"]["past"] = {"age_s": 30, "bytes": 64 << 20, "snaplen": 128, "points": [
                    "forward_in", "forward_out", "backward_in", "backward_out"]}
                rows.append(wire_tcp(wire, config, ns, 3, f"past on, {key}"))
    return rows


def slice_packet(args):
    """TCP bulk over AF_PACKET ports on veth pairs, beside a bare pair."""
    rows = []
    with Namespaces("abf") as ns:
        veth(ns[0], ns[1], "on", 1)
        for n, name in enumerate(ns[:2]):
            veth_to(name, ns[2], f"w{'ab'[n]}")
            address(name, f"w{'ab'[n]}", n)
        with Wire([f"{ns[2]}/wa@packet=a", f"{ns[2]}/wb@packet=b"]) as wire:
            for _ in range(args.rounds or 5):
                rows.append({"key": "veth", "bit_s": tcp(ns[0], ns[1], "10.8.1.1", 3)[0]})
                rows.append(wire_tcp(wire, pair("packet"), ns, 3, "packet exact"))
                config = pair("packet", delay_ns=10 * MS)
                wire.apply(config)
                reach(ns[1], "10.9.0.1")
                seen = udp(ns[1], ns[0], "10.9.0.1", 4, 1000)
                error = {q: (seen[f"{q}_ns"] - 10 * MS) / 1000 for q in ("p50", "p90", "p99", "p999")}
                rows.append({"key": "packet delay 10 ms", "lost": seen["lost"], **error})
    return rows


def veth_to(ns, far, dev):
    """A pair whose far end only has the offloads that a packet socket can express."""
    sh(f"ip link add {dev} netns {ns} type veth peer name {dev} netns {far}")
    sh(f"ip netns exec {far} ip link set {dev} up promisc on")


def slice_peers(args):
    """TCP bulk over what others offer, with 5 ms each way where it can delay; what is absent is skipped with a note."""
    rows = []
    runs = {"veth": None, "netem": netem_tcp, "rattan": rattan_tcp, "ubridge": ubridge_tcp}
    with Namespaces("abf") as ns:
        veth(ns[0], ns[1], "on", 1)
        veth(ns[0], ns[1], "netem", 3)
        for n, name in enumerate(ns[:2]):
            veth_to(name, ns[2], f"u{'ab'[n]}")
            address(name, f"u{'ab'[n]}", n)
        for _ in range(args.rounds or 5):
            for name, run in list(runs.items()):
                goodput = tcp(ns[0], ns[1], "10.8.1.1", 3)[0] if run is None else run(args, ns)
                if goodput is None:
                    del runs[name]
                else:
                    rows.append({"key": f"peer {name}", "bit_s": goodput})
    return rows


def skip(name, why):
    print(f"{name} is skipped: {why}", file=sys.stderr)


def netem_tcp(_args, ns):
    for name in ns[:2]:
        line = ["tc", "-n", name, "qdisc", "replace", "dev", "netem", "root", "netem", "delay", "5ms", "limit", "100000"]
        made = subprocess.run(line, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            return skip("netem", f"this kernel does not take it ({made.stderr.strip()})")
    return tcp(ns[0], ns[1], "10.8.3.1", 5)[0]


def rattan_tcp(args, ns):
    """Its command runs in a namespace of its own and reaches ours as $RATTAN_BASE."""
    if args.rattan is None:
        return skip("Rattan", "no --rattan PATH was given")
    with subprocess.Popen(["ip", "netns", "exec", ns[0], "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL) as server:
        line = ["ip", "netns", "exec", ns[0], args.rattan, "link", "--uplink-delay", "5ms", "--downlink-delay", "5ms",
                "--", "iperf3", "-J", "-t", "5", "-O", "1", "-C", "cubic", "-c", "$RATTAN_BASE"]
        made = subprocess.run(line, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            server.terminate()
            return skip("Rattan", f"it failed: {made.stderr[-300:]}")
    return json.loads(made.stdout[made.stdout.index("{"):])["end"]["sum_received"]["bits_per_second"]


def ubridge_tcp(args, ns):
    """Two packet sockets joined, as GNS3 does; its own delay holds up its receive loop and is left out."""
    if args.ubridge is None:
        return skip("uBridge", "no --ubridge PATH was given")
    bridge = subprocess.Popen(["ip", "netns", "exec", ns[2], args.ubridge, "-H", "127.0.0.1:4321"])
    words = ["bridge create b", "bridge add_nio_linux_raw b ua", "bridge add_nio_linux_raw b ub", "bridge start b"]
    said = "; ".join(f"echo {word} >&3; read -r line <&3; echo $line" for word in words)
    try:
        for _ in range(50):
            made = subprocess.run(["ip", "netns", "exec", ns[2], "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/4321 && {{ {said}; }}"],
                                  capture_output=True, text=True, check=False)
            if made.returncode == 0:
                break
            time.sleep(0.1)
        if made.stdout.count("100-") != len(words):
            return skip("uBridge", f"it answered {made.stdout} {made.stderr}")
        reach(ns[1], "10.9.0.1")
        return tcp(ns[0], ns[1], "10.9.0.1", 3)[0]
    finally:
        bridge.terminate()
        bridge.wait(timeout=10)


def slice_hops(args):
    rows = []
    with Namespaces("ab") as ns, Wire([f"{ns[0]}/eth0=a", f"{ns[1]}/eth0=b"]) as wire:
        for n, name in enumerate(ns):
            address(name, "eth0", n)
        for _ in range(args.rounds or 5):
            for count in (1, 3):
                links = [f"l{n}" for n in range(count)]
                rows.append(wire_tcp(wire, hops(count, delay_ns=MS), ns, 4, f"{count} hops", links))
    return rows


def slice_udp(args):
    """64 B per core: sender and receiver share processor 0, the wire has processor 1."""
    rows = []
    shaped = dict(delay_ns=10 * MS, loss=ALL // 1000, bandwidth_bit_s=2_000_000_000)
    with Namespaces("ab") as ns, Wire([f"{ns[0]}/eth0=a", f"{ns[1]}/eth0=b"]) as wire:
        for n, name in enumerate(ns):
            address(name, "eth0", n)
        floors = {}
        for subnet, word in ((7, "bare"), (6, "drop")):
            floor = subprocess.Popen([BENCH, word, *(f"{name}/{word}" for name in ns)], stdout=subprocess.PIPE, text=True)
            floor.stdout.readline()
            floors[word] = (floor, f"10.{subnet}.0.1")
            for n, name in enumerate(ns):
                sh(f"ip netns exec {name} ip address add 10.{subnet}.0.{n + 1}/24 dev {word}")
                sh(f"ip netns exec {name} ip link set {word} up")
        for pid in (wire.wire.pid, *(floor.pid for floor, *_ in floors.values())):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {1})
        os.sched_setaffinity(0, {0})
        for _ in range(args.rounds or 5):
            for word, (floor, target) in floors.items():
                rows.append(floor_udp(word, floor.pid, target, ns))
            for key, config in (("plain", pair()), ("shaped", pair(**shaped))):
                wire.apply(config)
                reach(ns[1], "10.9.0.1")
                before, cpu = wire.status(), wire.cpu_s()
                seen = udp(ns[1], ns[0], "10.9.0.1", 3, 0)
                after, cpu = wire.status(), wire.cpu_s() - cpu
                moved = after["links"]["l"]["backward"]["offered"] - before["links"]["l"]["backward"]["offered"]
                rows.append({"key": f"udp {key}", "cpu_ns_per_packet": cpu * 1e9 / moved,
                             "core_pps": moved / cpu,
                             "received_pps": seen["received"] / max(seen["seconds"], 1e-9)})
        os.sched_setaffinity(0, {0, 1})
        for floor, *_ in floors.values():
            floor.kill()
            floor.wait()
    return rows


def floor_udp(word, pid, target, ns):
    """What a loop of reads, with writes or without, costs for each packet that it reads."""
    def taken():
        cpu = int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        shown = json.loads(sh(f"ip -n {ns[1]} -s -j link show dev {word}"))
        return cpu, shown[0]["stats64"]["tx"]["packets"]
    before = taken()
    if word == "drop":
        sh(f"ip netns exec {ns[1]} {BENCH} flood {target} 3 0")
    else:
        udp(ns[1], ns[0], target, 3, 0)
    cpu, read = (after - before for after, before in zip(taken(), before))
    return {"key": f"udp {word}", "cpu_ns_per_packet": cpu / read, "core_pps": read / cpu * 1e9}


def slice_delay(args):
    """One-way delay less what was asked for; a veth pair beside it tells what the machine adds by itself."""
    rows = []
    with Namespaces("ab") as ns, Wire([f"{ns[0]}/eth0=a", f"{ns[1]}/eth0=b"]) as wire:
        for n, name in enumerate(ns):
            address(name, "eth0", n)
        veth(*ns, "veth0", 0)
        for _ in range(args.rounds or 5):
            for delay in (None, 0, 1, 10):
                target = "10.9.0.1" if delay is not None else "10.8.0.1"
                wire.apply(pair(delay_ns=(delay or 0) * MS))
                reach(ns[1], target)
                cpu = wire.cpu_s()
                seen = udp(ns[1], ns[0], target, args.seconds or 4, 1000)
                cpu = wire.cpu_s() - cpu
                error = {q: (seen[f"{q}_ns"] - (delay or 0) * MS) / 1000 for q in ("p50", "p90", "p99", "p999")}
                key = "delay of veth" if delay is None else f"delay {delay} ms"
                rows.append({"key": key, "cores": cpu / (args.seconds or 4), "lost": seen["lost"], **error})
    return rows


def slice_rate(args):
    """UDP far above the rate: what comes in the middle is the rate, framing counted."""
    rows = []
    with Namespaces("ab") as ns, Wire([f"{ns[0]}/eth0=a", f"{ns[1]}/eth0=b"]) as wire:
        for n, name in enumerate(ns):
            address(name, "eth0", n)
        for _ in range(args.rounds or 5):
            for rate, seconds in ((1_000_000, 4), (10_000_000, 3), (100_000_000, 3),
                                  (1_000_000_000, 3), (2_500_000_000, 3)):
                wire.apply(pair(bandwidth_bit_s=rate, delay_ns=MS))
                reach(ns[1], "10.9.0.1")
                goodput, _ = tcp(ns[0], ns[1], "10.9.0.1", seconds)
                rows.append({"key": f"rate {rate // 1_000_000} Mbit/s",
                             "error": goodput / (rate * 1448 / 1538) - 1})
    return rows


def slice_reno(args):
    rows = []
    with Namespaces("ab") as ns, Wire([f"{ns[0]}/eth0=a", f"{ns[1]}/eth0=b"]) as wire:
        for n, name in enumerate(ns):
            address(name, "eth0", n)
        for round_ in range(args.rounds or 1):
            for loss in (1000, 100):
                for mode in ("on", "off"):
                    for name in ns:
                        sh(f"ip netns exec {name} ethtool -K eth0 tso {mode} gso {mode} gro {mode}")
                    config = pair(delay_ns=5 * MS, bandwidth_bit_s=1_000_000_000, loss=ALL // loss)
                    config["seed"] = time.time_ns() % 1000
                    seconds = args.seconds or 12
                    row = wire_tcp(wire, config, ns, seconds, f"reno 1/{loss} offloads {mode}",
                                   congestion="reno")
                    rows.append(row)
    return rows


def slice_scale(args):
    """1000 connections, 100 kpps in all."""
    count = args.count or 1000
    rows = []
    with Namespaces("ab") as ns:
        def kernel():
            """What the kernel holds for itself, in bytes."""
            names = ("Slab:", "Percpu:", "KernelStack:", "PageTables:")
            lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith(names)) * 1024
        before = kernel()
        taps = []
        for n in range(count):
            taps += [f"{ns[0]}/a{n}=a{n}", f"{ns[1]}/b{n}=b{n}"]
        with Wire(taps) as wire:
            config = {"seed": 1, "ports": {}, "links": {}}
            for n in range(count):
                config["ports"][f"a{n}"] = config["ports"][f"b{n}"] = {"kind": "tap"}
                config["links"][f"l{n:04}"] = link(port(f"a{n}"), port(f"b{n}"), delay_ns=10 * MS)
            applied = wire.apply(config)["seconds"]
            used = (kernel() - before + wire.memory()) / count
            for side, name in enumerate(ns):
                lines = []
                for n in range(count):
                    dev = f"{'ab'[side]}{n}"
                    net = f"10.{n // 250}.{n % 250}"
                    # permanent neighbours: the kernel keeps no more than 1024 others, over all namespaces
                    lines += [f"link set {dev} address 02:00:00:0{side}:{n // 256:02x}:{n % 256:02x} up",
                              f"address add {net}.{side + 1}/24 dev {dev}",
                              f"neigh add {net}.{2 - side} lladdr 02:00:00:0{1 - side}:{n // 256:02x}:{n % 256:02x}"
                              f" dev {dev} nud permanent"]
                sh(f"ip netns exec {name} ip -batch -", input="\n".join(lines))
            time.sleep(1)
            cpu = wire.cpu_s()
            time.sleep(5)
            idle = (wire.cpu_s() - cpu) / 5
            for _ in range(args.rounds or 3):
                spread = udp_spread(ns, count, args.pps or 100_000, 4, wire)
                rows.append({"key": "scale", "create_s": wire.made["taps_s"] + applied,
                             "memory_bytes": used, "idle_cores": idle, **spread})
            # devices go faster with their namespace than one by one
            for name in ns:
                sh(f"ip netns del {name}")
    return rows


def udp_spread(ns, count, pps, seconds, wire):
    before, cpu = wire.status(), wire.cpu_s()
    listener = subprocess.Popen(["ip", "netns", "exec", ns[1], BENCH, "sink", str(seconds + 5)],
                                stdout=subprocess.PIPE, text=True)
    assert "listening" in listener.stdout.readline()
    sent = json.loads(sh(f"ip netns exec {ns[0]} {BENCH} spread {count} {seconds} {pps}"))
    seen = json.loads(listener.stdout.readline())
    listener.wait(timeout=30)
    cpu = wire.cpu_s() - cpu
    return {"degraded": degraded(wire.status()) - degraded(before), "sent": sent["sent"], "pps": sent["sent"] / sent["seconds"], "lost": sent["sent"] - seen["received"],
            "cpu_ns_per_packet": cpu * 1e9 / sent["sent"],
            "p50_us": seen["p50_ns"] / 1000 - 10_000, "p99_us": seen["p99_ns"] / 1000 - 10_000}


def slice_edits(args):
    rows = []
    with Namespaces("ab") as ns, Wire([f"{ns[0]}/eth0=a", f"{ns[1]}/eth0=b"]) as wire:
        for n, name in enumerate(ns):
            address(name, "eth0", n)
        config = pair(delay_ns=MS, queue_bytes=64 << 20)
        wire.apply(config)
        # a pause of the machine must not fill the queue in front of the wire
        sh(f"ip netns exec {ns[0]} ip link set eth0 txqueuelen {args.ring or 30_000}")
        reach(ns[0], "10.9.0.2")
        seconds = 11
        listener = subprocess.Popen(["ip", "netns", "exec", ns[1], BENCH, "sink", str(seconds + 3)],
                                    stdout=subprocess.PIPE, text=True)
        assert "listening" in listener.stdout.readline()
        sender = subprocess.Popen(["ip", "netns", "exec", ns[0], BENCH, "flood", "10.9.0.2", str(seconds), "95000"],
                                  stdout=subprocess.PIPE, text=True)
        edits = wire.ask(f"edits {wire.write(config)} l 200 {seconds - 1}")
        sent = json.loads(sender.communicate(timeout=60)[0])
        seen = json.loads(listener.communicate(timeout=60)[0])
        forward = wire.status()["links"]["l"]["forward"]
        rows.append({"key": "edits", **edits, "dropped_by_wire": sum(forward["drops"].values()),
                     "dropped_by_ring": ring_drops(ns[0], "eth0"), "degraded": degraded(wire.status()),
                     "offered": forward["offered"], "sent": sent["sent"], **{k: seen[k] for k in
                    ("received", "lost", "doubled", "reordered")}})
    return rows


def slice_overload(args):
    """Offers more than one processor can do; how long until the link says so?"""
    rows = []
    with Namespaces("ab") as ns, Wire([f"{ns[0]}/eth0=a", f"{ns[1]}/eth0=b"]) as wire:
        for n, name in enumerate(ns):
            address(name, "eth0", n)
        for _ in range(args.rounds or 3):
            wire.apply(pair())
            wire.apply(pair(delay_ns=5 * MS, loss=ALL // 1000))
            reach(ns[1], "10.9.0.1")
            while wire.status()["links"]["l"]["backward"]["degraded"]:
                time.sleep(0.1)  # still of the round before
            floods = [subprocess.Popen(["ip", "netns", "exec", ns[1], BENCH, "flood", "10.9.0.1", "5", "0"],
                                       stdout=subprocess.DEVNULL) for _ in range(3)]
            began, seen = time.monotonic(), None
            while seen is None and time.monotonic() - began < 5:
                state = wire.status()["links"]["l"]["backward"]
                if state.get("degraded"):
                    seen = time.monotonic() - began
                time.sleep(0.02)
            for flood in floods:
                flood.wait(timeout=30)
            rows.append({"key": "overload", "reported_s": seen})
    return rows


def summary(rows):
    """Median and range of every number, by key."""
    keys = {}
    for row in rows:
        for name, value in row.items():
            if name != "key" and isinstance(value, (int, float)):
                keys.setdefault(row["key"], {}).setdefault(name, []).append(value)
    lines = []
    for key, numbers in keys.items():
        for name, values in numbers.items():
            lines.append(f"{key:28} {name:20} median {statistics.median(values):14.4f}  "
                         f"[{min(values):.4f} .. {max(values):.4f}]  n={len(values)}")
    ratios = {}
    last = {}
    for row in rows:
        last[row["key"]] = row
        base = {"tap exact": "veth", "tap 10 ms": "veth", "veth offloads off": "veth", "3 hops": "1 hops",
                "packet exact": "veth"}.get(row["key"])
        if base in last:
            ratios.setdefault(f"{row['key']} / {base}", []).append(row["bit_s"] / last[base]["bit_s"])
    for name, values in ratios.items():
        lines.append(f"{name:49} median {statistics.median(values):14.4f}  "
                     f"[{min(values):.4f} .. {max(values):.4f}]  n={len(values)}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slices", nargs="+")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--count", type=int)
    parser.add_argument("--pps", type=int)
    parser.add_argument("--ring", type=int, help="packets in front of the TAP during edits")
    parser.add_argument("--rattan", help="its program, for the slice `peers`")
    parser.add_argument("--ubridge", help="its program, for the slice `peers`")
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    args = parser.parse_args()
    known = json.loads(args.results.read_text()) if args.results.exists() else []
    for name in args.slices:
        if name == "table":
            print(summary(known))
            continue
        with ahead():
            rows = globals()[f"slice_{name}"](args)
        known += rows
        args.results.write_text("\n".join(["[", ",\n".join(map(json.dumps, known)), "]\n"]))
        print(summary(rows), flush=True)


if __name__ == "__main__":
    main()
