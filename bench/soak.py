#!/usr/bin/python3
"""Kills processes of a lab at random while it works, and checks after each kill that nothing was lost. See operate.md.

Each kill is SIGKILL of the backend, the hostmanager, the wire or the first process of an element; at rest, while a connection is
changed, or while another topology is started and destroyed. After each one: what was acknowledged is there, no other element was
restarted, frames pass, and nothing is on the machine that belongs to no element. The first broken promise ends the run with its
seed and number.
"""

import argparse
import base64
import glob
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOMATO = os.environ.get("TOMATO", os.path.join(ROOT, "target/release/tomato"))
TEMPLATES = os.environ.get("TEMPLATE_DIR", "/var/lib/tomato/templates")
HOSTS = 6
#: Seconds until everything is as it was.
PATIENCE = 60
ROLES = ("backend", "hostmanager", "wire")
CALM = "tomato: 1\nname: calm\nelements:\n  sw: {kind: switch}\n%sconnections:\n%s" % (
    "".join("  h%d: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.0.0.%d/24]}}}\n" % (n, n + 1) for n in range(HOSTS)),
    "".join("  c%d: {between: [h%d, sw]}\n" % (n, n) for n in range(HOSTS)),
)
BRIEF = "tomato: 1\nname: brief\nelements:\n  x: {kind: container, template: busybox, profile: tiny}\n  y: {kind: container, template: busybox, profile: tiny}\nconnections:\n  xy: {between: [x, y]}\n"


class Broken(Exception):
    """A promise that was not kept."""


def wait(what, holds):
    """Waits until it holds; the last error is told if it never does."""
    until, error = time.monotonic() + PATIENCE, None
    while True:
        try:
            if holds():
                return
            error = None
        except (OSError, http.client.HTTPException, Refused) as caught:
            error = caught
        if time.monotonic() > until:
            raise Broken("%s: not within %d s%s" % (what, PATIENCE, ": %r" % error if error else ""))
        time.sleep(0.02)


class Refused(Exception):
    """An answer that is an error."""


class Lab:
    """A lab of this run alone."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tomato-soak-")
        os.chmod(self.dir, 0o755)
        self.data = os.path.join(self.dir, "data")
        self.env = {**os.environ, "TOMATO_DATA_DIR": self.data}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = free.getsockname()
        self.tomato("up", "--detach", "--listen", "%s:%d" % self.address, "--template-dir", TEMPLATES)
        with open(os.path.join(self.data, "lab.json")) as file:
            self.id = json.load(file)["id"]
        with open(os.path.join(self.data, "admin-password")) as file:
            login = "admin:" + file.read().strip()
        self.headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
        self.run = os.path.join("/run/tomato", self.id)

    def tomato(self, *args):
        done = subprocess.run([TOMATO, *args], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Broken("tomato %s: %s" % (" ".join(args[:3]), done.stdout[-2000:]))
        return done.stdout

    def call(self, method, path, body=None, text=False):
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        try:
            data = body if text or body is None else json.dumps(body)
            connection.request(method, "/api/v1" + path, data, {**self.headers, "Content-Type": "text/plain" if text else "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise Refused("%s %s: %d %s" % (method, path, answer.status, content[:500]))
        return json.loads(content) if content else None

    def topology(self, name):
        ids = [topology["id"] for topology in self.call("GET", "/topologies") if topology["name"] == name]
        return self.call("GET", "/topologies/" + ids[0]) if ids else None

    def act(self, path):
        """An action to its end, begun again when it was not taken or broke off."""

        def done():
            job = self.call("POST", path)
            while job["state"] == "running":
                time.sleep(0.02)
                try:
                    job = self.call("GET", "/jobs/" + job["id"])
                except (OSError, http.client.HTTPException):
                    continue
            return job["state"] == "done"

        wait(path, done)

    def pid(self, role):
        """The process of a role, if it runs."""
        try:
            with open(os.path.join(self.run, role + ".pid")) as file:
                pid = json.load(file)["pid"]
            os.kill(pid, 0)
            return pid
        except (OSError, ValueError):
            return None

    def inits(self):
        """First process of each element and when it began."""
        found = {}
        for path in glob.glob("/sys/fs/cgroup/pids/tomato/%s/*/cgroup.procs" % self.id) or glob.glob("/sys/fs/cgroup/tomato/%s/*/cgroup.procs" % self.id):
            try:
                with open(path) as file:
                    pids = [int(line) for line in file]
                stats = [stat(pid) for pid in pids]
            except OSError:
                continue
            if pids:
                found[path.split("/")[-2]] = min(zip([s[1] for s in stats], pids))[::-1]
        return found

    def end(self):
        self.tomato("down", "--purge")
        left = leftovers(self.id, self.data)
        shutil.rmtree(self.dir, ignore_errors=True)
        if left:
            raise Broken("left on the machine: %s" % left)


def stat(pid):
    """Parent and start time of a process."""
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[1]), int(fields[19])


def leftovers(lab, data):
    """What names the lab: processes, mounts, control groups, directories."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % entry, "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if lab in line or data in line:
            found.append("process %s" % line)
    with open("/proc/self/mountinfo") as file:
        found += ["mount " + line.split()[4] for line in file if lab in line or data in line]
    for dir, names, _files in os.walk("/sys/fs/cgroup"):
        found += ["cgroup %s/%s" % (dir, name) for name in names if lab in name]
    return found + [path for path in (data, "/run/tomato/" + lab) if os.path.exists(path)]


class Soak:
    """A lab with a topology at rest, and what it is known to be."""

    def __init__(self, lab, dice):
        self.lab, self.dice = lab, dice
        for name, text in (("calm", CALM), ("brief", BRIEF)):
            lab.call("POST", "/topologies/import", text, text=True)
            setattr(self, name, lab.topology(name))
        lab.act("/topologies/%s/actions/start" % self.calm["topology"]["id"])
        self.hosts = {e["name"]: e["id"] for e in self.calm["elements"] if e["kind"] == "container"}
        self.links = {c["name"]: c["id"] for c in self.calm["connections"]}
        self.delays = {name: {None} for name in self.links}
        self.notes = set()
        self.inits = self.of_calm()
        for name, id in self.hosts.items():
            to = "10.0.0.%d" % ((int(name[1:]) + 1) % HOSTS + 1)
            self.exec(id, "ping -q -i 0.2 %s >/dev/null 2>&1 &" % to)

    def of_calm(self):
        inits = self.lab.inits()
        return {name: inits.get(id) for name, id in self.hosts.items()}

    def exec(self, id, script):
        return self.lab.call("POST", "/elements/%s/exec" % id, {"argv": ["sh", "-c", script]})

    def change(self):
        """Another delay, and a topology more; what is not acknowledged may have happened or not."""
        name = self.dice.choice(sorted(self.links))
        delay = "%dms" % self.dice.randrange(1, 9)
        self.delays[name].add(delay)
        self.lab.call("PATCH", "/connections/" + self.links[name], {"emulation": True, "forward": {"delay": delay}})
        self.delays[name] = {delay}
        note = "note-%d" % self.dice.getrandbits(40)
        self.lab.call("POST", "/topologies", {"name": note})
        self.notes.add(note)

    def stir(self):
        """The brief topology is made and destroyed."""
        id = self.brief["topology"]["id"]
        for action in ("start", "destroy"):
            self.lab.call("POST", "/topologies/%s/actions/%s" % (id, action))
            time.sleep(self.dice.random() * 0.3)

    def kill(self):
        """One kill; gives its words."""
        kind = self.dice.choice(("rest", "change", "stir"))
        victim = self.dice.choice(ROLES + ("element",))
        work = None
        if kind != "rest":
            work = threading.Thread(target=quietly, args=(self.change if kind == "change" else self.stir,))
            work.start()
            time.sleep(self.dice.random() * 0.2)
        if victim == "element":
            victim = self.dice.choice(sorted(self.hosts))
            wait("process 1 of %s" % victim, lambda: self.of_calm()[victim])
            os.kill(self.of_calm()[victim][0], signal.SIGKILL)
        else:
            wait("the %s" % victim, lambda: self.lab.pid(victim))
            old = self.lab.pid(victim)
            os.kill(old, signal.SIGKILL)
            wait("a new %s" % victim, lambda: self.lab.pid(victim) not in (None, old))
        if work:
            work.join()
        return kind, victim

    def check(self, victim):
        lab = self.lab
        wait("the host", lambda: lab.call("GET", "/server")["hosts"])
        if victim in self.hosts:
            id = self.hosts[victim]
            wait("%s shown as ended" % victim, lambda: lab.call("GET", "/elements/" + id)["state"] != "started")
            lab.act("/elements/%s/actions/start" % id)
            self.inits[victim] = self.of_calm()[victim]
        now = self.of_calm()
        if now != self.inits:
            raise Broken("elements were restarted: %s instead of %s" % (now, self.inits))
        graph = lab.topology("calm")
        for connection in graph["connections"]:
            shown, allowed = connection["forward"].get("delay"), self.delays[connection["name"]]
            if allowed != {None} and shown not in allowed and None not in allowed:
                raise Broken("%s has the delay %s, acknowledged was %s" % (connection["name"], shown, allowed))
        names = {topology["name"] for topology in lab.call("GET", "/topologies")}
        if not self.notes <= names:
            raise Broken("topologies are lost: %s" % (self.notes - names))
        wait("all elements shown as started", lambda: all(e["state"] == "started" for e in lab.topology("calm")["elements"]))
        a, b = self.dice.sample(sorted(self.hosts), 2)
        to = "10.0.0.%d" % (int(b[1:]) + 1)
        wait("frames from %s to %s" % (a, b), lambda: self.exec(self.hosts[a], "ping -c 1 -W 2 " + to)["exit_code"] == 0)
        lab.act("/topologies/%s/actions/destroy" % self.brief["topology"]["id"])
        wanted = set(self.hosts.values())
        wait("nothing on the machine that belongs to no element", lambda: set(lab.inits()) == wanted)


def quietly(work):
    """Work that may be cut off by the kill."""
    try:
        work()
    except (OSError, http.client.HTTPException, Refused):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    print("seed %d" % options.seed, flush=True)
    lab, number, counts, begun = Lab(), 0, {}, time.monotonic()
    try:
        soak = Soak(lab, random.Random(options.seed))
        for number in range(1, options.kills + 1):
            kind, victim = soak.kill()
            what = victim if victim in ROLES else "element"
            counts[what, kind] = counts.get((what, kind), 0) + 1
            soak.check(victim)
            if number % 50 == 0:
                print("%d kills, %.0f s" % (number, time.monotonic() - begun), flush=True)
    except Broken as broken:
        print("kill %d of seed %d (%s): %s" % (number, options.seed, options.kills and (kind, victim) if number else "begin", broken))
        if os.environ.get("SOAK_KEEP"):
            sys.exit("the lab is kept: %s" % lab.data)
        lab.end()
        sys.exit(1)
    lab.end()
    for (what, kind), count in sorted(counts.items()):
        print("%-12s %-7s %5d" % (what, kind, count))
    print("%d kills in %.0f s: nothing was lost, restarted or left behind" % (options.kills, time.monotonic() - begun))


if __name__ == "__main__":
    main()
