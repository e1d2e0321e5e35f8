"""Every operation of the lab, under its own name."""

from __future__ import annotations

import urllib.parse
from typing import Any, Callable, Dict, List, Optional

from ._http import Transport, pieces

OPENAPI = "/api/v1/openapi.json"


class Api:
    """Operations as methods: `api.element_info(id)`, `api.topology_create(name="x")`.

    Parameters of the path come by position or name, everything else by name: parameters of the query under theirs, other
    names are fields of the body. Text and files go as `body`. Answers are plain Python values; `Lab` and its objects are
    the comfortable way to most of this.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._operations: Optional[Dict[str, _Operation]] = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        operation = self._known().get(name)
        if operation is None:
            raise AttributeError("the lab has no operation %s; dir() lists them" % name)

        def call(*args: Any, body: Any = None, **named: Any) -> Any:
            return operation.call(self._transport, args, body, named)

        call.__name__ = name
        call.__doc__ = operation.doc
        return call

    def __dir__(self) -> List[str]:
        return sorted(self._known())

    def _known(self) -> Dict[str, "_Operation"]:
        if self._operations is None:
            document = self._transport.call("GET", OPENAPI)
            self._operations = {
                operation["operationId"]: _Operation(method.upper(), path, operation)
                for path, methods in document["paths"].items()
                for method, operation in methods.items()
            }
        return self._operations


class _Operation:
    def __init__(self, method: str, path: str, described: Dict[str, Any]) -> None:
        self.name: str = described["operationId"]
        self.doc: str = described.get("summary", "")
        self._method = method
        self._path = path
        parameters = described.get("parameters", [])
        self._path_names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        self._query_names = {p["name"] for p in parameters if p["in"] == "query"}
        content = described.get("requestBody", {}).get("content", {})
        self._has_fields = "application/json" in content
        answer = described["responses"].get("200", {}).get("content", {})
        self._is_stream = "application/octet-stream" in answer or "text/event-stream" in answer

    def call(self, transport: Transport, args: Any, body: Any, named: Dict[str, Any]) -> Any:
        if len(args) > len(self._path_names):
            raise TypeError("%s takes %d by position: %s" % (self.name, len(self._path_names), self._path_names))
        given = dict(zip(self._path_names, args))
        path = self._path
        for name in self._path_names:
            value = given.get(name, named.pop(name, None))
            if value is None:
                raise TypeError("%s needs %s" % (self.name, name))
            path = path.replace("{%s}" % name, urllib.parse.quote(str(value), safe=""))
        query = {name: named.pop(name) for name in list(named) if name in self._query_names}
        headers = {}
        if "if_match" in named:
            headers["If-Match"] = '"%s"' % named.pop("if_match")
        if self._has_fields and body is None:
            body, named = named, {}
        if named:
            raise TypeError("%s has no %s" % (self.name, ", ".join(sorted(named))))
        if self._is_stream:
            return pieces(transport.open(self._method, path, query, body, headers))
        return transport.call(self._method, path, query, body, headers)
