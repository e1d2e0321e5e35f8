"""Scripts for ToMaTo, a virtual network laboratory.

    lab = tomatolab.Lab()
    with lab.topology("two hosts") as t:
        left, right = t.container("left"), t.container("right")
        t.connect(left, right, delay="10ms")
        t.start()
        print(left.run("ping -c 3 right").stdout)
"""

from ._api import Api
from ._errors import Conflict, Denied, JobFailed, LabError, NotFound, NotLoggedIn, Unreachable
from ._job import Job, wait_all
from ._lab import Lab
from ._topology import CommandResult, Connection, Element, Topology

__all__ = [
    "Api",
    "CommandResult",
    "Conflict",
    "Connection",
    "Denied",
    "Element",
    "Job",
    "JobFailed",
    "Lab",
    "LabError",
    "NotFound",
    "NotLoggedIn",
    "Topology",
    "Unreachable",
    "wait_all",
]

__version__ = "0.1.0"
