"""Calls over HTTP. Each has a connection of its own, so threads need not take turns."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.parse
from typing import IO, Any, Dict, Iterator, Mapping, Optional, Tuple, Union

from ._errors import Unreachable, from_problem

Body = Union[None, bytes, str, IO[bytes], Mapping[str, Any]]

#: Bytes that are read or sent at once.
CHUNK = 1 << 16


class Transport:
    """Where a lab is and who calls."""

    def __init__(
        self,
        url: str,
        token: Optional[str] = None,
        login: Optional[Tuple[str, str]] = None,
        timeout: float = 300.0,
        context: Optional[ssl.SSLContext] = None,
    ) -> None:
        parts = urllib.parse.urlsplit(url if "//" in url else "http://" + url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url: %r is no address like http://127.0.0.1:8000" % url)
        self.url = "%s://%s" % (parts.scheme, parts.netloc.rpartition("@")[2])
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._is_tls else 80)
        self._timeout = timeout
        self._context = context
        self._headers: Dict[str, str] = {}
        if login is None and parts.username is not None:
            login = (urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or ""))
        if token is not None:
            self._headers["Authorization"] = "Bearer " + token
        elif login is not None:
            packed = base64.b64encode(("%s:%s" % login).encode()).decode()
            self._headers["Authorization"] = "Basic " + packed

    def _connect(self) -> http.client.HTTPConnection:
        if self._is_tls:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=self._context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def open(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, Any]] = None,
        body: Body = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> http.client.HTTPResponse:
        """Sends a request; the answer is to be read by the caller. Refusals are raised."""
        given = {key: _text(value) for key, value in (query or {}).items() if value is not None}
        if given:
            path += "?" + urllib.parse.urlencode(given)
        # The answer then owns the socket and closes it with itself.
        sent = {"Connection": "close", **self._headers}
        payload: Any = body
        if isinstance(body, Mapping):
            payload = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        elif isinstance(body, str):
            payload = body.encode()
            sent["Content-Type"] = "text/plain; charset=utf-8"
        elif body is not None:
            sent["Content-Type"] = "application/octet-stream"
        if hasattr(payload, "read"):
            sent["Transfer-Encoding"] = "chunked"
            payload = _pieces(payload)
        sent.update(headers or {})
        connection = self._connect()
        try:
            connection.request(method, path, payload, sent, encode_chunked="Transfer-Encoding" in sent)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            text = "no lab answers at %s: %s" % (self.url, error or type(error).__name__)
            raise Unreachable("unreachable", text) from error
        if answer.status >= 400:
            with answer:
                raise _refusal(answer.status, answer.read())
        return answer

    def call(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, Any]] = None,
        body: Body = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Any:
        """Sends a request and reads the answer: JSON as Python values, text as text, nothing as None."""
        with self.open(method, path, query, body, headers) as answer:
            data = answer.read()
            if not data:
                return None
            if "json" in (answer.getheader("Content-Type") or ""):
                return json.loads(data)
            return data.decode()


def pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The bytes of an answer as they come."""
    with answer:
        while True:
            piece = answer.read1(CHUNK)
            if not piece:
                return
            yield piece


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while True:
        piece = file.read(CHUNK)
        if not piece:
            return
        yield piece


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _refusal(status: int, data: bytes) -> Exception:
    try:
        problem = json.loads(data)
    except ValueError:
        problem = {"detail": data.decode(errors="replace").strip()}
    return from_problem(status, problem if isinstance(problem, dict) else {})
