"""A lab and what is in it."""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from ._api import Api
from ._errors import LabError, NotFound
from ._http import Transport, pieces
from ._job import Job
from ._topology import Topology

URL = "http://127.0.0.1:8000"
DATA_DIR = "/var/lib/tomato"


class Lab:
    """A lab. Without arguments it is found as the command line finds it: by TOMATO_URL and TOMATO_TOKEN, by what
    `tomato login` kept, or as the lab of this machine (TOMATO_DATA_DIR).
    """

    def __init__(
        self,
        url: Optional[str] = None,
        *,
        token: Optional[str] = None,
        account: Optional[str] = None,
        password: Optional[str] = None,
        timeout: float = 300.0,
        cafile: Optional[str] = None,
    ) -> None:
        local = _local()
        url = url or os.environ.get("TOMATO_URL") or (local[0] if local else URL)
        login = (account, password) if account is not None and password is not None else None
        if token is None and login is None and "@" not in url:
            token = os.environ.get("TOMATO_TOKEN")
            if token is None and local is not None and local[0] == url.rstrip("/"):
                login = ("admin", local[1])
            elif token is None:
                token = _kept_token(url.rstrip("/"))
        if cafile is None and local is not None and local[0] == url.rstrip("/"):
            cafile = local[2]
        context = ssl.create_default_context(cafile=cafile) if cafile else None
        self.transport = Transport(url, token, login, timeout, context)
        self.api = Api(self.transport)

    def __repr__(self) -> str:
        return "<Lab %s>" % self.transport.url

    def info(self) -> Dict[str, Any]:
        """Versions and connected hosts."""
        return dict(self.transport.call("GET", "/api/v1/server"))

    def templates(self) -> List[str]:
        """Names of the templates."""
        return [item["name"] for item in self.transport.call("GET", "/api/v1/templates")]

    def profiles(self) -> List[str]:
        """Names of the resource profiles."""
        return [item["name"] for item in self.transport.call("GET", "/api/v1/profiles")]

    def ensure_template(self, name: str) -> Job:
        """Begins to build or fetch a template."""
        return Job(self.transport, self.transport.call("POST", "/api/v1/templates/%s/ensure" % name))

    def topology(self, name: str, *, keep: bool = False) -> Topology:
        """A new topology. As a context manager it is destroyed and removed at the end, unless it shall be kept."""
        value = self.transport.call("POST", "/api/v1/topologies", body={"name": name})
        return Topology(self.transport, value["id"], keep=keep)

    def topologies(self) -> List[Topology]:
        """The topologies that one may see."""
        found = self.transport.call("GET", "/api/v1/topologies")
        return [Topology(self.transport, item["id"], keep=True) for item in found]

    def open(self, name: str) -> Topology:
        """An existing topology by name or id; it is kept at the end of a `with`."""
        found = self.transport.call("GET", "/api/v1/topologies")
        ids = [item["id"] for item in found if name in (item["id"], item["name"])]
        if not ids:
            raise NotFound("entity_does_not_exist", "there is no topology %r" % name)
        if len(ids) > 1:
            raise LabError("ambiguous", "%d topologies are named %r: use an id" % (len(ids), name))
        return Topology(self.transport, ids[0], keep=True)

    def load(
        self, file: Union[str, "os.PathLike[str]"], *, update: bool = False, keep: bool = False
    ) -> Topology:
        """A topology from a file, also one of the original ToMaTo; `update` changes the one of the same name."""
        return self.loads(Path(file).read_text(), update=update, keep=keep)

    def loads(self, text: str, *, update: bool = False, keep: bool = False) -> Topology:
        """A topology from the text of a file. What a file of the original could not give is in `not_taken`."""
        answer = self.transport.call("POST", "/api/v1/topologies/import", {"update": update}, text)
        topology = Topology(self.transport, answer["topology"], keep=keep)
        topology.not_taken = (answer.get("original") or {}).get("errors", [])
        return topology

    def jobs(self) -> List[Job]:
        """Jobs that one may see, the newest first."""
        return [Job(self.transport, item) for item in self.transport.call("GET", "/api/v1/jobs")]

    def events(self, after: Optional[int] = None) -> Iterator[Dict[str, Any]]:
        """What changes, from event number `after` or from now on; the iterator ends only with the connection."""
        answer = self.transport.open("GET", "/api/v1/events", {"after": after})
        pending = b""
        for piece in pieces(answer):
            pending += piece
            while b"\n" in pending:
                line, pending = pending.split(b"\n", 1)
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])

    def parallel(self, calls: "List[Callable[[], Any]]", at_once: int = 8) -> List[Any]:
        """Runs functions in threads, a few at once, and returns their results in order."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=at_once) as pool:
            return [future.result() for future in [pool.submit(call) for call in calls]]


def _local() -> Optional[Tuple[str, str, Optional[str]]]:
    """Address, password and certificate of the lab of this machine, for those who may read them."""
    directory = Path(os.environ.get("TOMATO_DATA_DIR", DATA_DIR))
    try:
        lab = json.loads((directory / "lab.json").read_text())
        listen, is_tls = lab["listen"], lab.get("tls", False)
        password = (directory / "admin-password").read_text().strip()
    except (OSError, ValueError, KeyError):
        return None
    host, _, port = listen.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    if is_tls:
        return "https://%s:%s" % (host, port), password, str(directory / "tls" / "cert.pem")
    return "http://%s:%s" % (host, port), password, None


def _kept_token(url: str) -> Optional[str]:
    """The token that `tomato login` kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    try:
        logins = json.loads(Path(base, "tomato", "login.json").read_text())
    except (OSError, ValueError):
        return None
    token = logins.get(url)
    return token if isinstance(token, str) else None
