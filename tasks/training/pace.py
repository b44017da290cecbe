"""How fast the recent steps were, and how long the rest of a training takes at that pace."""

import statistics
from collections import deque
from dataclasses import dataclass
from typing import Final

# The steps that count as recent: those of the last minute, and never fewer than these.
RECENT_S: Final = 60.0
RECENT_STEPS: Final = 8
# A step whose tokens take this many times the usual was interrupted: the process was stopped, the
# machine slept, or something was prepared on the way. Its tokens count as if they had not been. If
# most of the recent steps are as slow, that is the usual, after a minute at the latest.
INTERRUPTED: Final = 4.0
MINUTE_S, HOUR_S = 60, 3_600


@dataclass(frozen=True)
class TimedStep:
    """An optimizer step: its real tokens, one or more, and how long they took."""

    seconds: float
    tokens: int

    @property
    def token_s(self) -> float:
        """Seconds of a token."""
        return self.seconds / self.tokens


class Pace:
    """Times steps and validations by a clock that its caller reads.

    The measure is the token: steps are made of rows of like length, so that one takes many times
    as long as another. What is neither step nor validation, such as a checkpoint, is left out by
    `skip_to`. A resumed training begins with a new pace.
    """

    def __init__(self, now_s: float) -> None:
        """`now_s`: seconds of any clock that only goes forward."""
        self._mark_s = now_s
        self._steps: deque[TimedStep] = deque()
        self._recent_s = 0.0
        self._validation_s = 0.0

    def skip_to(self, now_s: float) -> None:
        """Leave out the time since the last mark."""
        self._mark_s = now_s

    def end_step(self, now_s: float, tokens: int) -> None:
        """Time a step of so many real tokens since the last mark."""
        step = TimedStep(now_s - self._mark_s, max(tokens, 1))
        self._mark_s = now_s
        self._steps.append(step)
        self._recent_s += step.seconds
        while len(self._steps) > RECENT_STEPS and self._recent_s > RECENT_S:
            self._recent_s -= self._steps.popleft().seconds

    def end_validation(self, now_s: float) -> None:
        """Time a validation since the last mark."""
        self._validation_s = now_s - self._mark_s
        self._mark_s = now_s

    @property
    def token_s(self) -> float:
        """Seconds of a token in the recent steps, without interruptions; 0 before the first."""
        if not self._steps:
            return 0.0
        usual_s = statistics.median(step.token_s for step in self._steps)
        seconds = sum(
            step.seconds if step.token_s <= INTERRUPTED * usual_s else step.tokens * usual_s
            for step in self._steps
        )
        return seconds / sum(step.tokens for step in self._steps)

    @property
    def tokens_per_s(self) -> float:
        """Real tokens a second in the recent steps, without interruptions; 0 before the first."""
        return 1 / self.token_s if self.token_s else 0.0

    def left_s(self, tokens: int, validations: int) -> float:
        """Seconds that so many tokens and validations take, as the recent ones did.

        Until a validation was timed, none is counted.
        """
        return tokens * self.token_s + validations * self._validation_s


def in_words(seconds: float) -> str:
    """A duration as one says it: ``40 s``, ``12 min 5 s``, ``3 h 20 min``."""
    whole = round(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min {whole % MINUTE_S} s"
    return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S} min"
