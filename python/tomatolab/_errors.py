"""What can go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Type

if TYPE_CHECKING:
    from ._job import Job


class LabError(Exception):
    """The lab refused a call: `code` says why for programs, the text for people, `data` what it is about."""

    def __init__(self, code: str, message: str, data: Any = None, status: Optional[int] = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.status = status


class NotFound(LabError):
    """There is no such object, or it is not yours."""


class Denied(LabError):
    """The account has not the role that this needs."""


class NotLoggedIn(LabError):
    """The credentials are missing or wrong."""


class Conflict(LabError):
    """The object was changed since it was read."""


class Unreachable(LabError):
    """No lab answers at the address."""


class JobFailed(LabError):
    """Work ended and something is not as asked; `job` tells of each element."""

    def __init__(self, job: "Job", code: str, message: str, data: Any = None) -> None:
        super().__init__(code, message, data)
        self.job = job


_CLASSES: Dict[str, Type[LabError]] = {
    "entity_does_not_exist": NotFound,
    "denied": Denied,
    "not_logged_in": NotLoggedIn,
    "conflict": Conflict,
}


def from_problem(status: int, problem: Mapping[str, Any]) -> LabError:
    """The error that a problem document describes."""
    code = str(problem.get("code") or "internal")
    message = str(problem.get("detail") or problem.get("title") or "the lab answered %d" % status)
    return _CLASSES.get(code, LabError)(code, message, problem.get("data"), status)
