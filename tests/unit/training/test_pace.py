"""Time left, against trainings whose steps take simulated times."""

import itertools
import random
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.training.callbacks import PROGRESS_EVERY_S, ProgressCallback
from tasks.training.curves import Curves
from tasks.training.pace import HOUR_S, INTERRUPTED, RECENT_S, RECENT_STEPS, Pace, in_words

CLOCK = "tasks.training.callbacks.time.monotonic"
# A step takes its tokens' time, shorter or longer by this factor.
NOISE = 1.3


@dataclass
class Training:
    """A training of simulated steps, told to the callback that shows its progress.

    Attributes:
        now_s: the simulated clock.
        shown: what was shown, and when.

    """

    epochs: int
    steps: list[int]
    patch: pytest.MonkeyPatch
    now_s: float = 1_000.0
    shown: list[tuple[float, str]] = field(default_factory=list)
    curves: Curves = field(default_factory=Curves)

    def __post_init__(self) -> None:
        self.state = SimpleNamespace(
            global_step=0, max_steps=self.epochs * len(self.steps), epoch=0.0
        )
        self.arguments = SimpleNamespace(num_train_epochs=self.epochs)
        self.patch.setattr(CLOCK, lambda: self.now_s)
        self.open()

    def open(self) -> None:
        """Begin, or go on in another process."""
        self.callback = ProgressCallback(
            lambda _percent, words: self.shown.append((self.now_s, words)),
            self.curves,
            sum(self.steps),
        )

    def step(self, seconds: float) -> None:
        """One step of the running epoch."""
        self.callback.on_step_begin(self.arguments, self.state, None)
        self.now_s += seconds
        tokens = self.steps[self.state.global_step % len(self.steps)]
        self.curves.add_batch(0.5, tokens)
        self.curves.loss_steps += 1
        self.state.global_step += 1
        self.state.epoch = self.state.global_step / len(self.steps)
        self.callback.on_step_end(self.arguments, self.state, None)

    def validate(self, seconds: float, saving_s: float) -> None:
        """Close the epoch, as Trainer does: validation, then a checkpoint."""
        self.now_s += seconds
        self.curves.end_epoch(0.5, {})
        self.callback.on_evaluate(self.arguments, self.state, None)
        self.save(saving_s)

    def save(self, seconds: float) -> None:
        """Hold the training up with a checkpoint."""
        self.now_s += seconds
        self.callback.on_save(self.arguments, self.state, None)

    def left_s(self, at: int = -1) -> float:
        """The time left that was shown."""
        words = self.shown[at][1].rsplit(", ", 1)[1].removesuffix(" left").split()
        units = {"s": 1, "min": 60, "h": 3_600}
        return float(sum(int(n) * units[u] for n, u in zip(words[::2], words[1::2], strict=True)))


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.floats(0.001, 0.01),
    st.floats(1, 10),
    st.floats(0, 300),
    st.floats(0, 30),
    # A pause of about a step's time is a slow step; a longer one than any step is told from it.
    st.just(0.0) | st.floats(INTERRUPTED * NOISE * 5_000 * 0.01, 1e5),
)
@settings(max_examples=60, deadline=None)
def test_the_last_time_shown_is_right_whatever_came_before(
    seed: int, epochs: int, token_s: float, slower: float, validation_s: float, saving_s: float,
    pause_s: float,
) -> None:  # fmt: skip
    """A slow beginning, validations, checkpoints, a pause, and a resumption in a new process."""
    rng = random.Random(seed)
    steps = [rng.randint(20, 5_000) for _ in range(rng.randint(30, 60))]
    # The slow steps are over for a minute and more than as many others when the last time is shown.
    total = epochs * len(steps)
    slow_until = rng.randint(0, total // 4)
    resumed_at, paused_at = rng.randrange(total - RECENT_STEPS), rng.randrange(total)
    with pytest.MonkeyPatch.context() as patch:
        training = Training(epochs, steps, patch)
        validated = False
        for number in range(total):
            if number == resumed_at:
                training.open()
                validated = False
            seconds = token_s * steps[number % len(steps)] * rng.uniform(1 / NOISE, NOISE)
            pause = pause_s if number == paused_at else 0
            shown = len(training.shown)
            training.step(seconds * (slower if number < slow_until else 1) + pause)
            if len(training.shown) > shown and _is_settled(number, slow_until, resumed_at):
                tokens = sum(steps[one % len(steps)] for one in range(number + 1, total))
                validations = epochs - number // len(steps)
                # What this process has not seen yet, it cannot count.
                true_s = tokens * token_s + validated * validations * validation_s
                # The recent steps have the noise, and the words the rounding.
                slack = 60 if true_s > HOUR_S / NOISE else 1
                assert true_s / NOISE - slack <= training.left_s() <= true_s * NOISE + slack
            if (number + 1) % len(steps) == 0:
                training.validate(validation_s, saving_s)
                validated = True
            elif number % 11 == 0:
                training.save(saving_s)


def _is_settled(number: int, slow_until: int, resumed_at: int) -> bool:
    """Whether most of the recent steps surely are of the usual pace.

    A pause in one of the first two steps of a process cannot be told from their usual pace.
    """
    since_resumed = number - resumed_at if number >= resumed_at else number
    return since_resumed > 2 and (slow_until == 0 or number >= 2 * slow_until + RECENT_STEPS)


def test_a_training_that_gets_faster_says_so_within_a_minute() -> None:
    """At a mean since the start, an hour would be left of the last three minutes."""
    with pytest.MonkeyPatch.context() as patch:
        training = Training(1, [100] * 700, patch)
        for _ in range(100):
            training.step(30.0)
        for _ in range(240):
            training.step(0.5)
        assert training.left_s() == pytest.approx(360 * 0.5, rel=0.1)


def test_a_training_that_gets_slower_says_so_within_a_minute_or_some_steps() -> None:
    for slow_s in (5.0, 90.0):
        pace = Pace(0.0)
        now_s = 0.0
        for _ in range(1_000):
            now_s += 0.5
            pace.end_step(now_s, 100)
        slowed_s, steps = now_s, 0
        while pace.left_s(100, 0) < 0.9 * slow_s:
            now_s += slow_s
            steps += 1
            pace.end_step(now_s, 100)
        assert now_s - slowed_s <= RECENT_S + slow_s or steps <= RECENT_STEPS


def test_short_steps_among_long_ones_are_no_interruption() -> None:
    pace, now_s = Pace(0.0), 0.0
    for tokens in [50] * 20 + [5_000] * 4:
        now_s += tokens * 0.002
        pace.end_step(now_s, tokens)
    assert pace.token_s == pytest.approx(0.002)


def test_what_is_slower_than_usual_by_less_than_an_interruption_counts() -> None:
    pace, now_s = Pace(0.0), 0.0
    for seconds in [1.0] * 7 + [INTERRUPTED]:
        now_s += seconds
        pace.end_step(now_s, 100)
    assert pace.token_s == pytest.approx((7 + INTERRUPTED) / 800)
    assert pace.tokens_per_s == pytest.approx(800 / (7 + INTERRUPTED))


def test_nothing_is_said_more_often_than_one_can_read() -> None:
    with pytest.MonkeyPatch.context() as patch:
        training = Training(1, [10] * 100, patch)
        for _ in range(100):
            training.step(0.125)
    times_s = [at for at, _ in training.shown]
    gaps = [after - before for before, after in itertools.pairwise(times_s)]
    assert gaps == [PROGRESS_EVERY_S] * 5
    assert training.shown[-1][1] == (
        "epoch 1 of 1, step 96 of 100: loss 0.500, 80 tokens a second, 0 s left"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (725, "12 min 5 s"),
        (3_599.6, "1 h 0 min"), (12_000, "3 h 20 min"),
    ],
)  # fmt: skip
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
