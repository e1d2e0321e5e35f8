"""Topologies, their elements and connections. Every property asks the lab, so that it is never old."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Dict, List, Mapping, Optional, Type, Union

from ._copy import FileName, download, upload
from ._errors import LabError, NotFound
from ._http import Transport, pieces
from ._job import Job

#: Seconds between two looks at something awaited.
LOOK = 0.2

#: Fields of one direction of a connection.
LINK = (
    "bandwidth", "bit_error", "burst", "corrupt", "delay", "discipline", "distribution", "down", "draws",
    "duplicate", "ecn", "framing", "jitter", "jitter_correlation", "jitter_reorders", "jitter_table", "loss",
    "loss_correlation", "loss_model", "mtu", "queue", "queue_packets", "queue_time", "reorder", "rules",
    "timeline",
)

End = Union["Element", str]


@dataclass(frozen=True)
class CommandResult:
    """How a command ended."""

    stdout: str
    stderr: str
    exit_code: Optional[int]
    signal: Optional[int] = None
    timed_out: bool = False
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.exit_code == 0


class _Acting:
    """What a topology and an element can be told to do."""

    _transport: Transport

    @property
    def _path(self) -> str:
        raise NotImplementedError

    def act(self, action: str, wait: bool = True, timeout: Optional[float] = None) -> Job:
        """Begins prepare, start, stop or destroy, on all elements at the same time; waits for the end unless told not to."""
        job = Job(self._transport, self._transport.call("POST", "%s/actions/%s" % (self._path, action)))
        return job.wait(timeout) if wait else job

    def prepare(self, wait: bool = True, timeout: Optional[float] = None) -> Job:
        """Makes what disks there are to make."""
        return self.act("prepare", wait, timeout)

    def start(self, wait: bool = True, timeout: Optional[float] = None) -> Job:
        """Starts it; prepares first what is not."""
        return self.act("start", wait, timeout)

    def stop(self, wait: bool = True, timeout: Optional[float] = None) -> Job:
        """Stops it and keeps the disks."""
        return self.act("stop", wait, timeout)

    def destroy(self, wait: bool = True, timeout: Optional[float] = None) -> Job:
        """Removes the disks; stops first what runs."""
        return self.act("destroy", wait, timeout)


class Topology(_Acting):
    """A topology. As a context manager it is destroyed and removed at the end unless `keep` is true."""

    def __init__(self, transport: Transport, id: str, *, keep: bool) -> None:
        self._transport = transport
        self.id = id
        self.keep = keep
        #: What was not taken over from a file of the original.
        self.not_taken: List[Dict[str, Any]] = []

    @property
    def _path(self) -> str:
        return "/api/v1/topologies/%s" % self.id

    def __repr__(self) -> str:
        return "<Topology %s>" % self.id

    def __enter__(self) -> "Topology":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self.keep:
            return
        try:
            self.remove()
        except LabError:
            # What went wrong first is what matters.
            if error is None:
                raise

    def info(self) -> Dict[str, Any]:
        """The topology with its elements and connections as the lab tells it."""
        return dict(self._transport.call("GET", self._path))

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.info()["topology"]["name"])

    @property
    def elements(self) -> List["Element"]:
        """Its elements, the oldest first."""
        return [Element(self._transport, self, item["id"]) for item in self.info()["elements"]]

    @property
    def connections(self) -> List["Connection"]:
        """Its connections, the oldest first."""
        return [Connection(self._transport, self, item["id"]) for item in self.info()["connections"]]

    def element(self, name: str) -> "Element":
        """The element of a name."""
        for item in self.info()["elements"]:
            if item["name"].lower() == name.lower():
                return Element(self._transport, self, item["id"])
        raise NotFound("entity_does_not_exist", "the topology has no element %r" % name)

    def connection(self, name: str) -> "Connection":
        """The connection of a name."""
        for item in self.info()["connections"]:
            if item["name"].lower() == name.lower():
                return Connection(self._transport, self, item["id"])
        raise NotFound("entity_does_not_exist", "the topology has no connection %r" % name)

    def set(self, **attributes: Any) -> None:
        """Changes name, seed and data of one's own (keys that begin with _)."""
        self._transport.call("PATCH", self._path, body=attributes)

    def add(self, kind: str, name: Optional[str] = None, **attributes: Any) -> "Element":
        """Adds an element."""
        body: Dict[str, Any] = {"topology": self.id, "kind": kind, **attributes}
        if name is not None:
            body["name"] = name
        made = self._transport.call("POST", "/api/v1/elements", body=body)
        return Element(self._transport, self, made["id"])

    def container(self, name: Optional[str] = None, **attributes: Any) -> "Element":
        """Adds a container: `template`, `profile`, `gateways`, `routes`, `forwarding`, `files`."""
        return self.add("container", name, **attributes)

    def switch(self, name: Optional[str] = None, **attributes: Any) -> "Element":
        """Adds a switch."""
        return self.add("switch", name, **attributes)

    def hub(self, name: Optional[str] = None, **attributes: Any) -> "Element":
        """Adds a hub."""
        return self.add("hub", name, **attributes)

    def connect(
        self,
        first: End,
        second: End,
        name: Optional[str] = None,
        forward: Optional[Mapping[str, Any]] = None,
        backward: Optional[Mapping[str, Any]] = None,
        **both: Any,
    ) -> "Connection":
        """Connects two elements, or interfaces named like "alice:eth0".

        Link parameters such as `delay="10ms"` hold for both directions, those in `forward` for first to second and those
        in `backward` for second to first; other names are attributes of the connection.
        """
        ends = [end.name if isinstance(end, Element) else end for end in (first, second)]
        body: Dict[str, Any] = {"topology": self.id, "ends": ends}
        if name is not None:
            body["name"] = name
        body.update(_directions(forward, backward, both))
        made = self._transport.call("POST", "/api/v1/connections", body=body)
        return Connection(self._transport, self, made["id"])

    def remove(self) -> None:
        """Destroys what is left and removes the topology."""
        try:
            if any("created" != item["state"] or "created" != item["wanted"] for item in self.info()["elements"]):
                self.destroy()
            self._transport.call("DELETE", self._path)
        except NotFound:
            pass

    def export(self, format: str = "yaml") -> str:
        """The topology as a file: yaml, json, or original for the original ToMaTo's."""
        with self._transport.open("GET", self._path + "/export", {"format": format}) as answer:
            return answer.read().decode()

    def counters(self) -> Dict[str, List[Dict[str, Any]]]:
        """Frames, bytes and drops of each connection by id, forward and backward."""
        return dict(self._transport.call("GET", self._path + "/counters")["connections"])

    def share(self, account: str, role: Optional[str]) -> None:
        """Gives an account the role owner, manager or user, or takes it away."""
        path = "/api/v1/topologies/%s/permissions/%s" % (self.id, account)
        self._transport.call("PUT", path, body={"role": role})


class Element(_Acting):
    """An element of a topology."""

    def __init__(self, transport: Transport, topology: Topology, id: str) -> None:
        self._transport = transport
        self.topology = topology
        self.id = id

    def __repr__(self) -> str:
        return "<Element %s>" % self.id

    @property
    def _path(self) -> str:
        return "/api/v1/elements/%s" % self.id

    def info(self) -> Dict[str, Any]:
        """The element as the lab tells it."""
        return dict(self._transport.call("GET", self._path))

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.info()["name"])

    @property
    def state(self) -> str:
        """created, prepared or started."""
        return str(self.info()["state"])

    @property
    def interfaces(self) -> List[Dict[str, Any]]:
        """Its interfaces."""
        return list(self.info()["interfaces"])

    def address(self, interface: Optional[str] = None) -> str:
        """Its first address, or that of an interface, without the prefix length."""
        for item in self.interfaces:
            if item["addresses"] and interface in (None, item["name"]):
                return str(item["addresses"][0]).split("/")[0]
        raise NotFound("entity_does_not_exist", "%s has no address there" % self.name)

    def set(self, **attributes: Any) -> None:
        """Changes attributes; what is not named keeps its value."""
        self._transport.call("PATCH", self._path, body=attributes)

    def add_interface(self, name: Optional[str] = None, **attributes: Any) -> Dict[str, Any]:
        """Adds an interface: `addresses`, `dhcp`, `mac`, `mtu`."""
        body = dict(attributes) if name is None else {"name": name, **attributes}
        return dict(self._transport.call("POST", self._path + "/interfaces", body=body))

    def set_interface(self, name: str, **attributes: Any) -> None:
        """Changes an interface."""
        for item in self.interfaces:
            if item["name"] == name:
                self._transport.call("PATCH", "/api/v1/interfaces/%s" % item["id"], body=attributes)
                return
        raise NotFound("entity_does_not_exist", "there is no interface %r" % name)

    def remove(self) -> None:
        """Removes it with its connections; nothing of it may be on a host."""
        self._transport.call("DELETE", self._path)

    def run(
        self,
        command: Union[str, List[str]],
        *,
        timeout: Optional[float] = None,
        stdin: Optional[str] = None,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[str] = None,
        check: bool = False,
    ) -> CommandResult:
        """Runs a command: text by a shell, a list as it stands. `check` raises if it does not end with 0."""
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        body: Dict[str, Any] = {"argv": argv}
        for key, value in (("stdin", stdin), ("env", env), ("cwd", cwd)):
            if value is not None:
                body[key] = value
        if timeout is not None:
            body["timeout_ms"] = int(timeout * 1000)
        answer = self._transport.call("POST", self._path + "/exec", body=body)
        known = {key: answer.get(key) for key in CommandResult.__dataclass_fields__ if key in answer}
        result = CommandResult(**{"exit_code": None, **known})
        if check and not result.ok:
            how = "timed out" if result.timed_out else "ended with %s" % (result.exit_code or result.signal)
            text = "%r %s: %s" % (command, how, (result.stderr or result.stdout).strip())
            raise LabError("command_failed", text, answer)
        return result

    def upload(self, source: FileName, path: str) -> None:
        """Copies a file or folder into a folder of the element, or to that name; goes on where it broke off."""
        upload(self._transport, self._path, source, path)

    def download(self, path: str, target: FileName) -> Path:
        """Copies a file or folder of the element into a folder here, or to a new name; goes on where it broke off."""
        return download(self._transport, self._path, path, target)

    def upload_archive(self, source: Union[FileName, bytes, IO[bytes]]) -> None:
        """Uploads an executable archive and runs its auto_exec.sh: a tar.gz as file, bytes or path, or a folder."""
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            if path.is_dir():
                source = pack(path)
            else:
                with path.open("rb") as file:
                    self._transport.call("PUT", self._path + "/archive", body=file)
                return
        self._transport.call("PUT", self._path + "/archive", body=source)

    def archive_status(self) -> Dict[str, Any]:
        """How the archive's script is doing: `done`, `exit_code`, `custom`, `output_tail`."""
        return dict(self._transport.call("GET", self._path + "/archive/status"))

    def wait_archive(self, timeout: float = 600.0) -> Dict[str, Any]:
        """Waits until the archive's script has ended; returns its status."""
        deadline = time.monotonic() + timeout
        while True:
            status = self.archive_status()
            if status["done"]:
                return status
            if time.monotonic() > deadline:
                raise TimeoutError("the archive still runs after %s s: %s" % (timeout, status))
            time.sleep(LOOK)

    def download_archive(self, target: FileName) -> Path:
        """Writes the archive's directory, with what the script left there, to a tar.gz."""
        return _save(self._transport, self._path + "/archive", target)


class Connection:
    """A connection of a topology."""

    def __init__(self, transport: Transport, topology: Topology, id: str) -> None:
        self._transport = transport
        self.topology = topology
        self.id = id

    def __repr__(self) -> str:
        return "<Connection %s>" % self.id

    @property
    def _path(self) -> str:
        return "/api/v1/connections/%s" % self.id

    def info(self) -> Dict[str, Any]:
        """The connection as the lab tells it."""
        return dict(self._transport.call("GET", self._path))

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.info()["name"])

    def set(
        self,
        *,
        forward: Optional[Mapping[str, Any]] = None,
        backward: Optional[Mapping[str, Any]] = None,
        **both: Any,
    ) -> None:
        """Changes link parameters of both directions or of one, and other attributes, also while frames pass."""
        self._transport.call("PATCH", self._path, body=_directions(forward, backward, both))

    def unplug(self) -> None:
        """Pulls the cable."""
        self.set(connected=False)

    def plug(self) -> None:
        """Plugs the cable in."""
        self.set(connected=True)

    def capture(self, on: bool = True) -> None:
        """Begins or ends to record frames."""
        self.set(capturing=on)

    def download_capture(self, target: FileName) -> Path:
        """Writes what was captured to a pcapng file."""
        return _save(self._transport, self._path + "/capture", target)

    def counters(self) -> Dict[str, Dict[str, Any]]:
        """Frames, bytes and drops, `forward` and `backward`."""
        both = self.topology.counters().get(self.id, [{}, {}])
        return {"forward": both[0], "backward": both[1]}

    def remove(self) -> None:
        """Removes it."""
        self._transport.call("DELETE", self._path)


def pack(folder: FileName) -> bytes:
    """A folder as an executable archive: tar.gz, the same bytes for the same files."""
    root = Path(folder)
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w") as tar:
            for path in sorted(root.rglob("*")):
                entry = tar.gettarinfo(str(path), str(path.relative_to(root)))
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                entry.mtime = 0
                if entry.isreg():
                    with path.open("rb") as file:
                        tar.addfile(entry, file)
                else:
                    tar.addfile(entry)
    return packed.getvalue()


def _directions(
    forward: Optional[Mapping[str, Any]],
    backward: Optional[Mapping[str, Any]],
    both: Mapping[str, Any],
) -> Dict[str, Any]:
    """The fields of a change: link parameters go to both directions."""
    link = {key: value for key, value in both.items() if key in LINK}
    body: Dict[str, Any] = {key: value for key, value in both.items() if key not in LINK}
    for name, own in (("forward", forward), ("backward", backward)):
        fields = {**link, **(own or {})}
        if fields:
            body[name] = fields
    return body


def _save(transport: Transport, path: str, target: FileName) -> Path:
    """Writes an answer to a file; a broken one leaves none behind."""
    file = Path(target)
    part = file.with_name(file.name + ".part")
    try:
        with part.open("wb") as output:
            output.writelines(pieces(transport.open("GET", path)))
        part.replace(file)
    finally:
        if part.exists():
            part.unlink()
    return file
