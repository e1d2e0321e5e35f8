"""The demonstration: a lab, a campus network on it, and what its connections do against what they are set to.

Everything is done through the command line of the product; only the standard library of Python is used.
"""

import json
import os
import re
import statistics
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOMATO = os.environ.get("TOMATO", os.path.join(HERE, "target/release/tomato"))
DATA_DIR = os.environ.get("DATA_DIR", "/var/lib/tomato")
LISTEN = os.environ.get("LISTEN", "127.0.0.1:8000")
RESULTS = os.environ.get("RESULTS", os.path.join(HERE, "demo-results"))
TOPOLOGY = "campus"
WAN = TOPOLOGY + "/wan"
ROUTERS = ("r1", "r2")
# Seconds.
CONVERGENCE_MAX = 90
TRANSFER = 8

failures = []


def say(text=""):
    print(text, flush=True)


def step(text):
    say()
    say("== " + text)


def tomato(*args, check=True, capture=True, errors=None):
    """Runs the product's command line and gives what it printed."""
    line = [TOMATO, *args[:1], "--data-dir", DATA_DIR, *args[1:]]
    output = subprocess.PIPE if capture else None
    done = subprocess.run(line, stdout=output, stderr=errors, text=True)
    if check and done.returncode != 0:
        sys.exit("tomato %s ended with %d" % (" ".join(args), done.returncode))
    return done.stdout or ""


def run(element, command, timeout=60, check=True):
    """Runs a shell command in an element and gives its output."""
    answer = json.loads(
        tomato(
            "exec", "--output", "json", "--timeout", str(timeout), "%s/%s" % (TOPOLOGY, element),
            "--", "/bin/sh", "-c", command, check=False,
        )
        or "{}"
    ).get("%s/%s" % (TOPOLOGY, element), {})
    if check and answer.get("exit_code") != 0:
        sys.exit("%s: %s: %s" % (element, command, answer.get("stderr") or answer))
    return answer.get("stdout", "")


def wait_for(what, condition, seconds):
    """Waits until the condition gives something true; gives that and how long it took."""
    begun = time.monotonic()
    while True:
        result = condition()
        took = time.monotonic() - begun
        if result:
            return result, took
        if took > seconds:
            sys.exit("%s did not happen within %d s" % (what, seconds))
        time.sleep(0.2)


def show(rows):
    """Prints set against measured."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        say("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def judged(name, way, set_to, measured, unit, low, high):
    good = low <= measured <= high
    if not good:
        failures.append("%s %s is %.2f %s" % (name, way, measured, unit))
    return (name, way, set_to, "%.2f %s" % (measured, unit), "ok" if good else "OUT OF BOUNDS")


def pings(element, to, count, interval):
    text = run(element, "ping -n -q -c %d -i %s %s" % (count, interval, to), 120, check=False)
    lost = re.search(r"([\d.]+)% packet loss", text)
    times = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+)", text)
    if not lost or not times:
        sys.exit("ping from %s to %s: %s" % (element, to, text))
    return float(lost.group(1)), float(times.group(2)), float(times.group(4))


# Sends numbered, stamped datagrams to the peer while receiving the peer's; prints how many came and when. All
# containers of a host share its monotonic clock, so the delay of one way can be told.
PROBE = r"""
import json, socket, struct, sys, threading, time
count, gap = 1000, 0.01
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 7000))
sock.settimeout(3)
late = []
def receive():
    try:
        while True:
            data = sock.recv(64)
            late.append((time.monotonic_ns() - struct.unpack("!q", data)[0]) / 1e6)
    except socket.timeout:
        pass
listener = threading.Thread(target=receive)
listener.start()
time.sleep(1)
begun = time.monotonic()
for n in range(count):
    time.sleep(max(0, begun + n * gap - time.monotonic()))
    sock.sendto(struct.pack("!q", time.monotonic_ns()), (sys.argv[1], 7000))
listener.join()
print(json.dumps({"sent": count, "late": late}))
"""


def one_way(pairs):
    """Probes both directions at once: per receiver the loss in per cent, mean and deviation of the delay in ms."""
    found = {}

    def probe(receiver, peer):
        seen = json.loads(run(receiver, "python3 -c '%s' %s" % (PROBE, peer), 60))
        late = seen["late"]
        if len(late) < 2:
            sys.exit("no probe came to %s" % receiver)
        lost = 100 * (1 - len(late) / seen["sent"])
        found[receiver] = lost, statistics.mean(late), statistics.stdev(late)

    threads = [threading.Thread(target=probe, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def iperf(element, to, options="", seconds=TRANSFER):
    text = run(element, "iperf3 -J -t %d -c %s %s" % (seconds, to, options), seconds + 30)
    return json.loads(text)["end"]


def received(element, seconds):
    """What an element receives, in Mbit/s of whole frames, while more is sent than the link lets through."""
    count = "cat /sys/class/net/eth0/statistics/rx_bytes; date +%s%N"
    words = run(element, "%s; sleep %d; %s" % (count, seconds, count)).split()
    first, begun, last, ended = (int(word) for word in words)
    return (last - first) * 8 * 1000 / (ended - begun)


def serve(element):
    run(element, "pkill -x iperf3; iperf3 -s -D", check=False)


def begin():
    step("a lab at %s" % LISTEN)
    begun = time.monotonic()
    told = tomato("server", "info", "--output", "json", check=False, errors=subprocess.DEVNULL)
    if '"hosts"' not in told:
        options = ["--listen", LISTEN, "--detach"]
        if os.environ.get("TEMPLATE_DIR"):
            options += ["--template-dir", os.environ["TEMPLATE_DIR"]]
        tomato("up", *options, capture=False)
    say("  answers after %.1f s" % (time.monotonic() - begun))
    step("the topology of examples/campus.yaml (templates are built the first time: a few minutes)")
    begun = time.monotonic()
    campus = os.path.join(HERE, "examples/campus.yaml")
    tomato("topology", "check", campus, capture=False)
    tomato("start", campus, capture=False)
    say("  runs after %.1f s" % (time.monotonic() - begun))


def converge():
    step("OSPF finds the way between the two LANs")
    _, took = wait_for(
        "a route by OSPF",
        lambda: "10.0.2.0/24" in run("r1", "ip route show proto ospf", check=False)
        and "10.0.1.0/24" in run("r2", "ip route show proto ospf", check=False),
        CONVERGENCE_MAX,
    )
    say("  after %.1f s: %s" % (took, run("r1", "ip route show 10.0.2.0/24").split(" proto")[0]))
    wait_for(
        "an answer from dave", lambda: "1 received" in run("alice", "ping -c1 -W1 10.0.2.10", check=False), 30
    )


def measure():
    step("set against measured")
    rows = [("what", "direction", "set", "measured", "")]
    ways = one_way((("dave", "10.0.1.10"), ("alice", "10.0.2.10")))
    for way, receiver in (("r1 > r2", "dave"), ("r2 > r1", "alice")):
        lost, mean, deviation = ways[receiver]
        rows.append(judged("wan delay", way, "20 ms", mean, "ms", 19.5, 22))
        rows.append(judged("wan jitter", way, "2 ms", deviation, "ms", 1.5, 3))
        rows.append(judged("wan loss", way, "1 %", lost, "%", 0.1, 2.4))
    lost, mean, deviation = pings("alice", "10.0.2.10", 300, 0.05)
    rows.append(judged("wan round trip", "both", "20 ms + 20 ms", mean, "ms", 39, 43))
    rows.append(judged("wan jitter", "both", "2 ms and 2 ms: 2.83 ms", deviation, "ms", 1.5, 4.2))
    rows.append(judged("wan loss", "both", "1 % and 1 %: 1.99 %", lost, "%", 0.2, 4.5))
    for element in ("dave", "alice"):
        serve(element)
    time.sleep(1)
    for way, source, to, mbit in (("r1 > r2", "alice", "10.0.2.10", 10), ("r2 > r1", "dave", "10.0.1.10", 2)):
        flood = threading.Thread(target=iperf, args=(source, to, "-u -l 1200 -b %dM" % (2 * mbit)))
        flood.start()
        receiver = "dave" if source == "alice" else "alice"
        until = time.monotonic() + 20
        while received(receiver, 1) < 0.5 * mbit and time.monotonic() < until:
            pass  # the sender has not begun yet
        measured = received(receiver, 4)
        flood.join()
        rows.append(judged("wan bandwidth", way, "%d Mbit/s" % mbit, measured, "Mbit/s", 0.9 * mbit, 1.05 * mbit))
    _, mean, _ = pings("r1", "10.1.0.6", 20, 0.2)
    rows.append(judged("backup round trip", "both", "60 ms + 60 ms", mean, "ms", 119, 124))
    _, mean, _ = pings("alice", "10.0.1.11", 20, 0.2)
    rows.append(judged("LAN round trip", "both", "plain wire", mean, "ms", 0, 5))
    show(rows)
    return rows


def change():
    step("the WAN becomes slower while a transfer runs: 20 ms > 50 ms each way")
    transfer = threading.Thread(target=lambda: iperf("alice", "10.0.2.10", "", TRANSFER + 6))
    transfer.start()
    time.sleep(3)
    before = stats()
    tomato("link", WAN, "--delay", "50ms")
    time.sleep(1)
    _, mean, _ = pings("r2", "10.1.0.1", 25, 0.2)
    transfer.join()
    after = stats()
    # The transfer itself fills the queue on the way down, so the delay is at least what is set.
    rows = [("what", "direction", "set", "measured", "")]
    rows.append(judged("wan round trip", "under load", "50 ms + 50 ms and the queue", mean, "ms", 98, 400))
    _, mean, _ = pings("r2", "10.1.0.1", 25, 0.2)
    rows.append(judged("wan round trip", "idle", "50 ms + 50 ms", mean, "ms", 98, 104))
    show(rows)
    say("  the transfer went on: %d frames more, no element was restarted" % (after - before))
    tomato("link", WAN, "--delay", "20ms")
    return rows[1:]


def stats():
    shown = json.loads(tomato("show", TOPOLOGY, "--output", "json"))
    wan = next(c for c in shown["graph"]["connections"] if c["name"] == "wan")
    counted = shown["counters"]["connections"].get(wan["id"])
    return counted[0]["frames"] if counted else 0


def cut():
    step("the WAN is cut: OSPF moves the traffic to the backup")
    tomato("link", WAN, "--connected", "off")
    _, took = wait_for(
        "the move to the backup",
        lambda: "10.1.0.6" in run("r1", "ip route show 10.0.2.0/24", check=False)
        and "1 received" in run("alice", "ping -c1 -W1 10.0.2.10", check=False),
        CONVERGENCE_MAX,
    )
    _, mean, _ = pings("alice", "10.0.2.10", 10, 0.2)
    rows = [
        judged("fail-over to the backup", "both", "cable pulled", took, "s", 0, 10),
        judged("round trip then", "both", "60 ms + 60 ms", mean, "ms", 119, 125),
    ]
    show(rows)
    tomato("link", WAN, "--connected", "on")
    _, back = wait_for(
        "the way back to the WAN",
        lambda: "10.1.0.2" in run("r1", "ip route show 10.0.2.0/24", check=False),
        CONVERGENCE_MAX,
    )
    say("  plugged in again, the WAN is used after %.1f s" % back)
    return rows


def captures():
    step("captures of both connections")
    for name in ("wan", "backup"):
        path = os.path.join(RESULTS, name + ".pcapng")
        tomato("capture", "download", "%s/%s" % (TOPOLOGY, name), "-o", path)
        frames = packets(path)
        say("  %s: %d bytes, %d frames" % (path, os.path.getsize(path), frames))
        if frames == 0:
            failures.append("the capture of %s is empty" % name)


def packets(path):
    """Counts the packets of a pcapng file."""
    count = 0
    with open(path, "rb") as file:
        while True:
            head = file.read(8)
            if len(head) < 8:
                return count
            kind, length = struct.unpack("<II", head)
            if length < 12:
                sys.exit("%s is no pcapng file" % path)
            count += kind == 6
            file.seek(length - 8, 1)


def experiment():
    step("the archive examples/archives/transfer on bob and erin")
    tomato(
        "archive", "run", os.path.join(HERE, "examples/archives/transfer"),
        "%s/bob,%s/erin" % (TOPOLOGY, TOPOLOGY), "--results", RESULTS, capture=False,
    )
    with open(os.path.join(RESULTS, "bob/results/client.json")) as file:
        rate = json.load(file)["end"]["sum_received"]["bits_per_second"] / 1e6
    say("  bob sent to erin with %.2f Mbit/s by TCP; everything is in %s" % (rate, RESULTS))


def main():
    begun = time.monotonic()
    os.makedirs(RESULTS, exist_ok=True)
    begin()
    ready = time.monotonic() - begun
    converge()
    rows = measure() + change() + cut()
    captures()
    experiment()
    with open(os.path.join(RESULTS, "set-against-measured.json"), "w") as file:
        json.dump({"rows": rows, "ready_s": ready, "total_s": time.monotonic() - begun}, file, indent=1)
    step("the lab runs on, after %.0f s (%.0f s until the network ran)" % (time.monotonic() - begun, ready))
    program = os.path.relpath(TOMATO)
    lab = "" if DATA_DIR == "/var/lib/tomato" else " --data-dir " + DATA_DIR
    say("  open    http://%s" % LISTEN)
    with open(os.path.join(DATA_DIR, "admin-password")) as file:
        say("  login   admin / %s" % file.read().strip())
    say("  try     %s show%s campus" % (program, lab))
    say("          %s exec%s campus/alice -- traceroute -n 10.0.2.10" % (program, lab))
    say("          %s link%s campus/wan --loss 20%%" % (program, lab))
    say("  stop    %s down%s" % (program, lab))
    if failures:
        busy, cores = os.getloadavg()[0], os.cpu_count()
        if busy > cores:
            say("  this machine is busy (load %.1f on %d cores): its clock, not the lab, may be why values are out of bounds" % (busy, cores))
        sys.exit("not as it should be: " + "; ".join(failures))


if __name__ == "__main__":
    main()
