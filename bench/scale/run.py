#!/usr/bin/python3
"""Times a line of busybox containers from import to destruction, with Mininet beside it. See README.md."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TOMATO = os.environ.get("TOMATO", os.path.join(ROOT, "target/release/tomato"))
TEMPLATES = os.environ.get("TEMPLATE_DIR", "/var/lib/tomato/templates")
LISTEN = os.environ.get("LISTEN", "127.0.0.1:8123")
STEPS = ("import", "start", "ping", "stop", "destroy")
#: What the kernel holds that it cannot give back: slabs, stacks and page tables of threads, per-processor and mapped memory.
KERNEL = ("SUnreclaim", "KernelStack", "PageTables", "Percpu", "VmallocUsed")
#: How often memory is read for one value, and the seconds between.
SAMPLES, PAUSE = 7, 0.2


def topology(count):
    """The line as a topology file."""
    lines = ["tomato: 1", "name: line", "elements:"]
    for n in range(count):
        address = "10.0.%d.%d/16" % (n // 250, n % 250 + 1)
        lines.append(
            "  h%d: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [%s]}}}"
            % (n, address)
        )
        lines.append("  s%d: {kind: switch}" % n)
    lines.append("connections:")
    for n in range(count):
        lines.append("  c%d: {between: [h%d, s%d]}" % (n, n, n))
        if n:
            lines.append("  t%d: {between: [s%d, s%d]}" % (n, n - 1, n))
    return "\n".join(lines) + "\n"


class Lab:
    """A lab of this run alone."""

    def __init__(self, count):
        self.dir = tempfile.mkdtemp(prefix="tomato-bench-")
        os.chmod(self.dir, 0o755)
        self.env = {**os.environ, "TOMATO_DATA_DIR": os.path.join(self.dir, "data")}
        self.file = os.path.join(self.dir, "line.yaml")
        self.count = count
        with open(self.file, "w") as file:
            file.write(topology(count))
        self.tomato("up", "--detach", "--listen", LISTEN, "--template-dir", TEMPLATES)
        self.idle_kib = self.memory()

    def tomato(self, *args):
        done = subprocess.run([TOMATO, *args], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit("tomato %s: %s" % (" ".join(args[:3]), done.stdout[-2000:]))
        return done.stdout

    def round(self):
        """Seconds of each step, and KiB of memory per started element by who holds it."""
        times = {}

        def timed(step, *args):
            begun = time.monotonic()
            out = self.tomato(*args)
            times[step] = time.monotonic() - begun
            return out

        timed("import", "topology", "import", self.file)
        before = self.held()
        timed("start", "start", "line")
        begun = time.monotonic()
        self.ping()
        times["ping"] = time.monotonic() - begun
        after = self.held()
        memory = {holder: (after[holder] - before[holder]) / self.count for holder in after}
        timed("stop", "stop", "line")
        timed("destroy", "remove", "line")
        return times, memory

    def held(self):
        """KiB that the kernel, the lab's own processes and the processes in elements hold: medians of several looks."""
        looks = []
        for _ in range(SAMPLES):
            looks.append({"kernel": meminfo(KERNEL), "lab": self.memory(), "elements": self.own_memory()})
            time.sleep(PAUSE)
        return {holder: statistics.median(look[holder] for look in looks) for holder in looks[0]}

    def ping(self):
        """Every host's neighbour answers: each host pings the next by one command in all of them."""
        number = "n=$(hostname); n=$((${n#h} + 1))"
        to = "10.0.$((n / 250)).$((n % 250 + 1))"
        script = "%s; [ $n -ge %d ] || ping -c 1 -W 5 %s" % (number, self.count, to)
        answers = json.loads(self.tomato("exec", "--output", "json", "line/*", "--", "sh", "-c", script))
        silent = [name for name, answer in answers.items() if answer["exit_code"] != 0]
        if len(answers) != self.count or silent:
            sys.exit("no answer from the neighbour of %s" % silent)

    def memory(self):
        """KiB of proportional memory of all processes of the lab."""
        total = 0
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open("/proc/%s/cmdline" % entry, "rb") as file:
                    if self.dir.encode() not in file.read():
                        continue
                total += pss("/proc/%s/smaps_rollup" % entry)
            except (OSError, StopIteration):
                continue
        return total

    def own_memory(self):
        """KiB of proportional memory of all processes in the elements, the keepers among them."""
        with open(os.path.join(self.dir, "data", "lab.json")) as file:
            groups = "/tomato/%s/" % json.load(file)["id"]
        total = 0
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cgroup" % entry) as file:
                    if groups not in file.read():
                        continue
                total += pss("/proc/%s/smaps_rollup" % entry)
            except (OSError, StopIteration):
                continue
        return total

    def end(self):
        self.tomato("down", "--purge")
        shutil.rmtree(self.dir, ignore_errors=True)


def pss(path):
    with open(path) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def meminfo(names):
    with open("/proc/meminfo") as file:
        return sum(int(line.split()[1]) for line in file if line.split(":")[0] in names)


def mininet(count):
    """The same with Mininet, in a process of its own; None when it is not installed."""
    if not shutil.which("mn"):
        return None
    done = subprocess.run(
        ["/usr/bin/python3", os.path.join(HERE, "mininet_line.py"), str(count)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    if done.returncode != 0:
        sys.exit("mininet: " + done.stdout[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def spread(values):
    return "%.0f [%.0f-%.0f] KiB" % (statistics.median(values), min(values), max(values))


def show(name, rounds):
    wholes = [sum(r.values()) for r in rounds]
    cells = ["%-9s" % name]
    for step in STEPS:
        values = [r[step] for r in rounds if step in r]
        cells.append("%7s %-13s" % ("%.2f" % statistics.median(values), "[%.2f-%.2f]" % (min(values), max(values))) if values else " " * 21)
    cells.append("%7.2f [%.2f-%.2f]" % (statistics.median(wholes), min(wholes), max(wholes)))
    print(" ".join(cells), flush=True)
    return wholes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="without Mininet beside it")
    options = parser.parse_args()
    lab = Lab(options.elements)
    ours, theirs, memory = [], [], []
    try:
        for _ in range(options.rounds):
            times, held = lab.round()
            ours.append(times)
            memory.append(held)
            peer = None if options.alone else mininet(options.elements)
            if peer:
                theirs.append(peer)
    finally:
        lab.end()
    print("%d hosts, %d rounds, seconds: median [least-greatest]" % (options.elements, options.rounds))
    print(" ".join(["%-9s" % ""] + ["%-21s" % step for step in STEPS] + ["whole"]))
    wholes = show("tomato", ours)
    if theirs:
        peers = show("mininet", theirs)
        ratios = [a / b for a, b in zip(wholes, peers)]
        print("whole, tomato / mininet: %.2f [%.2f-%.2f]" % (statistics.median(ratios), min(ratios), max(ratios)))
    else:
        print("no peer beside it")
    print("memory per started element above its own processes: %s" % spread([m["kernel"] + m["lab"] for m in memory]))
    print("of that the kernel's: %s, of the lab's processes: %s" % (spread([m["kernel"] for m in memory]), spread([m["lab"] for m in memory])))
    print("its own processes, our keeper among them: %s" % spread([m["elements"] for m in memory]))
    print("memory of the idle lab: %.1f MiB" % (lab.idle_kib / 1024))


if __name__ == "__main__":
    main()
