"""Deadline: when a session with ``--time-limit`` has to stop."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

RESERVE = 10.0  # seconds that are kept for ranks to end and for the session to write what it has
SHARE = 0.1  # of the limit, at most, that is kept for that


class OutOfTime(Exception):
    """The time limit of the session is reached: not a failure. The next session makes the missing runs."""


@dataclass(frozen=True)
class Deadline:
    """End of a session by the time of day, so that ranks on other machines know it too.

    Parameters
    ----------
    limit
        Seconds that the session may take; infinite without a limit.
    began
        When the session began, in seconds since the epoch.
    clock
        Tells the time, in seconds since the epoch.
    """

    limit: float = math.inf
    began: float = field(default_factory=time.time)
    clock: Callable[[], float] = time.time

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.limit < math.inf

    @property
    def stop(self) -> float:
        """Time at which ranks have to have stopped: nothing is begun after it."""
        return self.began + self.limit - self._reserve

    @property
    def kill(self) -> float:
        """Time at which ranks that did not stop are ended."""
        return self.began + self.limit - self._reserve / 2

    @property
    def left(self) -> float:
        """Seconds until ranks have to have stopped."""
        return self.stop - self.clock()

    @property
    def _reserve(self) -> float:
        return min(RESERVE, SHARE * self.limit)

    def __str__(self) -> str:
        return written(self.limit)


def written(seconds: float) -> str:
    """Write a time as it is given to ``--time-limit``, such as ``9m`` or ``1h30m``."""
    if seconds != round(seconds):
        return f"{seconds:g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if count)


def parsed(text: str) -> float:
    """Return the seconds that ``540``, ``540s``, ``9m`` or ``1h30m`` stands for; a ValueError says what is valid."""
    found = re.fullmatch(r"(?=.)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?|(\d+(?:\.\d+)?)", text)
    hours, minutes, seconds, bare = (float(part or 0) for part in found.groups()) if found else (0.0,) * 4
    total = 3600 * hours + 60 * minutes + seconds + bare
    if not 0 < total < math.inf:
        raise ValueError(f"is {text!r}, but must be a time above 0, such as 540, 540s, 9m or 1h30m")
    return total
