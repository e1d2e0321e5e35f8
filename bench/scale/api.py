#!/usr/bin/python3
"""Times calls of the interfaces: a large topology, changes told, mixed calls while a topology starts, XML-RPC pings. See README.md."""

import argparse
import base64
import http.client
import json
import os
import selectors
import socket
import threading
import time
import xmlrpc.client

import run

#: Requests per second of the mixed calls, and for how long, in seconds.
RATE, SECONDS = 200, 15
#: Threads that send them.
THREADS = 16
#: Connections of the pings, and for how long, in seconds.
PINGS, PING_SECONDS = 16, 5


class Api:
    """One connection to the lab."""

    def __init__(self, token):
        host, port = run.LISTEN.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}

    def call(self, method, path, body=None):
        self.connection.request(method, "/api/v1" + path, None if body is None else json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise SystemExit("%s %s: %d %s" % (method, path, answer.status, content[:300]))
        return content


def told(name, times, must):
    times = sorted(times)
    at = lambda share: times[min(int(len(times) * share), len(times) - 1)] * 1000
    print("%-56s n %5d  p50 %7.2f  p99 %7.2f  max %7.2f ms   must: %s" % (name, len(times), at(0.5), at(0.99), times[-1] * 1000, must), flush=True)


def timed(count, work):
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return times


def large(api, login):
    """A topology of a thousand elements, shown whole; what the client makes of the answer is not timed."""
    graph = next(t for t in json.loads(api.call("GET", "/topologies")) if t["name"] == "line")
    path = "/topologies/" + graph["id"]
    size = len(api.call("GET", path))
    told("topology_info, 1000 elements, REST (%d KiB)" % (size >> 10), timed(50, lambda: api.call("GET", path)), "50 ms")
    body = xmlrpc.client.dumps(([graph["id"], True], {}), "topology_info")
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode(), "Content-Type": "text/xml"}

    def full():
        api.connection.request("POST", "/RPC2", body, headers)
        return api.connection.getresponse().read()

    size = len(full())
    told("topology_info(full), 1000 elements, XML-RPC (%d KiB)" % (size >> 10), timed(50, full), "50 ms")
    return graph["id"]


def changes(api, token, topology):
    """From sending a change to the event at a reader."""
    graph = json.loads(api.call("GET", "/topologies/" + topology))
    path = "/connections/" + graph["connections"][0]["id"]
    reader = Api(token)
    reader.connection.request("GET", "/api/v1/events", headers=reader.headers)
    stream = reader.connection.getresponse()
    times = []
    for n in range(100):
        begun = time.perf_counter()
        api.call("PATCH", path, {"forward": {"delay": "%dms" % (n + 1)}, "emulation": True})
        while not stream.readline().startswith(b"data:"):
            pass
        times.append(time.perf_counter() - begun)
    told("change to the event at a reader", times, "20 ms")


def mixed(token, topology, lab):
    """Calls at a fixed rate, timed from when they were due, while another topology starts."""
    shown = json.loads(Api(token).call("GET", "/topologies/" + topology))
    element, connection = shown["elements"][0]["id"], shown["connections"][0]["id"]
    calls = {
        "list": lambda api, n: api.call("GET", "/topologies"),
        "element": lambda api, n: api.call("GET", "/elements/" + element),
        "connection": lambda api, n: api.call("GET", "/connections/" + connection),
        "change": lambda api, n: api.call("PATCH", "/connections/" + connection, {"forward": {"delay": "%dms" % (n % 90 + 1)}}),
        "jobs": lambda api, n: api.call("GET", "/jobs"),
    }
    names = list(calls)
    times, turn, numbers = {name: [] for name in names}, threading.Lock(), iter(range(RATE * SECONDS))
    begun = time.perf_counter() + 0.5

    def work():
        api = Api(token)
        while True:
            with turn:
                n = next(numbers, None)
            if n is None:
                return
            due = begun + n / RATE
            time.sleep(max(0, due - time.perf_counter()))
            name = names[n % len(names)]
            calls[name](api, n)
            times[name].append(time.perf_counter() - due)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    started = time.perf_counter()
    lab.tomato("start", os.path.join(lab.dir, "small.yaml"))
    took = time.perf_counter() - started
    for thread in threads:
        thread.join()
    told("%d mixed calls/s while 100 elements start (%.1f s)" % (RATE, took), sum(times.values(), []), "p99 50 ms")
    for name in names:
        told("  of these: " + name, times[name], "-")


def pings():
    """XML-RPC pings by several connections, each with one call under way."""
    body = b"<?xml version='1.0'?><methodCall><methodName>ping</methodName><params></params></methodCall>"
    request = b"POST /RPC2 HTTP/1.1\r\nHost: lab\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    host, port = run.LISTEN.rsplit(":", 1)
    waiting = selectors.DefaultSelector()
    for _ in range(PINGS):
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting.register(connection, selectors.EVENT_READ)
        connection.sendall(request)
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < PING_SECONDS:
        for key, _events in waiting.select(1):
            if b"</methodResponse>" in key.fileobj.recv(4096):
                count += 1
                key.fileobj.sendall(request)
    print("%-56s %9.0f /s   must: 5000 /s" % ("XML-RPC pings, %d connections" % PINGS, count / (time.perf_counter() - begun)), flush=True)


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    lab = run.Lab(500)
    try:
        lab.tomato("topology", "import", lab.file)
        with open(os.path.join(lab.dir, "small.yaml"), "w") as file:
            file.write(run.topology(50).replace("name: line", "name: small"))
        made = json.loads(lab.tomato("--output", "json", "token", "create", "label=bench"))
        token, api = made["secret"], Api(made["secret"])
        with open(os.path.join(lab.dir, "data", "admin-password")) as file:
            password = file.read().strip()
        topology = large(api, "admin:" + password)
        changes(api, token, topology)
        pings()
        mixed(token, topology, lab)
    finally:
        lab.end()


if __name__ == "__main__":
    main()
