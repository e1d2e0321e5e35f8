"""Work that goes on in the lab."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterable, List, Optional

from ._errors import JobFailed
from ._http import Transport

#: Seconds between two looks at a job: soon after its begin, and at most.
LOOK_FIRST = 0.05
LOOK_LAST = 0.5


class Job:
    """Work in flight or ended: its `state` is running, done, failed or cancelled."""

    def __init__(self, transport: Transport, value: Dict[str, Any]) -> None:
        self._transport = transport
        self.value = value

    def __repr__(self) -> str:
        return "<Job %s %s %s>" % (self.id, self.action, self.state)

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.value["id"])

    @property
    def action(self) -> str:
        """What it does."""
        return str(self.value["action"])

    @property
    def state(self) -> str:
        """Where it was at the last look."""
        return str(self.value["state"])

    @property
    def is_over(self) -> bool:
        """Whether it had ended at the last look."""
        return self.state != "running"

    @property
    def log(self) -> List[str]:
        """What happened until the last look."""
        return list(self.value.get("log", []))

    @property
    def errors(self) -> Dict[str, str]:
        """What went wrong, by name of the element."""
        parts = self.value.get("elements", {}).values()
        return {part["name"]: part["error"]["message"] for part in parts if part.get("error")}

    def refresh(self) -> "Job":
        """Looks again."""
        self.value = self._transport.call("GET", "/api/v1/jobs/%s" % self.id)
        return self

    def cancel(self) -> "Job":
        """Cancels it; what is done stays done."""
        self.value = self._transport.call("DELETE", "/api/v1/jobs/%s" % self.id)
        return self

    def wait(
        self,
        timeout: Optional[float] = None,
        progress: Optional[Callable[["Job"], None]] = None,
    ) -> "Job":
        """Waits for its end and raises `JobFailed` if something is not as asked, `TimeoutError` after `timeout` seconds.

        `progress` is called at each look.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = LOOK_FIRST
        while True:
            if progress is not None:
                progress(self)
            if self.is_over:
                return self._checked()
            if deadline is not None and time.monotonic() + pause > deadline:
                raise TimeoutError("job %s (%s) still runs after %s s" % (self.id, self.action, timeout))
            time.sleep(pause)
            pause = min(pause * 1.5, LOOK_LAST)
            self.refresh()

    def _checked(self) -> "Job":
        if self.state == "done":
            return self
        error = self.value.get("error") or {}
        parts = ["%s: %s" % item for item in sorted(self.errors.items())]
        text = "; ".join(parts) or error.get("message") or "the job was %s" % self.state
        raise JobFailed(self, error.get("code", self.state), "%s: %s" % (self.action, text), error.get("data"))


def wait_all(jobs: Iterable[Job], timeout: Optional[float] = None) -> List[Job]:
    """Waits for all jobs, which go on at the same time; raises the first failure after all have ended."""
    deadline = None if timeout is None else time.monotonic() + timeout
    ended: List[Job] = []
    first: Optional[JobFailed] = None
    for job in jobs:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            ended.append(job.wait(left))
        except JobFailed as error:
            ended.append(job)
            first = first or error
    if first is not None:
        raise first
    return ended
