"""The line of hosts and switches of run.py built with Mininet; prints the seconds of each step as JSON."""

import json
import sys
import time

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topolib import Topo


class Bridge(LinuxBridge):
    """Forwards at once, without the 15 s of learning that a bridge begins with."""

    def start(self, controllers):
        super().start(controllers)
        self.cmd("ip link set %s down; ip link set %s type bridge forward_delay 0; ip link set %s up" % ((self.name,) * 3))


class Line(Topo):
    def build(self, count=1):
        before = None
        for n in range(count):
            host = self.addHost("h%d" % n, ip="10.0.%d.%d/16" % (n // 250, n % 250 + 1))
            switch = self.addSwitch("s%d" % n)
            self.addLink(host, switch)
            if before:
                self.addLink(before, switch)
            before = switch


def main():
    setLogLevel("error")
    count = int(sys.argv[1])
    times = {}
    begun = time.monotonic()
    net = Mininet(topo=Line(count=count), switch=Bridge, controller=None)
    net.start()
    times["start"] = time.monotonic() - begun
    begun = time.monotonic()
    pings = [
        net["h%d" % n].popen(["ping", "-c", "1", "-W", "5", net["h%d" % (n + 1)].IP()])
        for n in range(count - 1)
    ]
    for ping in pings:
        ping.communicate()
    silent = [n for n, ping in enumerate(pings) if ping.returncode != 0]
    times["ping"] = time.monotonic() - begun
    begun = time.monotonic()
    net.stop()
    times["destroy"] = time.monotonic() - begun
    if silent:
        sys.exit("no answer from the neighbour of %s" % silent)
    print(json.dumps(times))


main()
