from pathlib import Path

import pytest

from tasks.records.training import Epoch
from tasks.training.curves import MAX_POINTS, Curves


def test_curves_go_on_after_a_checkpoint_as_if_nothing_had_happened(tmp_path: Path) -> None:
    losses = [0.7, 0.1, 0.35, 0.2, 0.9]
    whole, cut = Curves(), Curves()
    for number, loss in enumerate(losses):
        for curves in (whole, cut):
            curves.add_batch(loss, 10)
            curves.end_step()
        if number == 1:
            whole.end_epoch(0.5, {"macro_f1": 0.4})
            cut.end_epoch(0.5, {"macro_f1": 0.4})
        cut.save(tmp_path)
        cut = Curves.load(tmp_path)
    assert cut.epochs == whole.epochs == [Epoch(1, (0.7 + 0.1) / 2, 0.5, {"macro_f1": 0.4})]
    assert cut.train_loss == whole.train_loss == (0.35 + 0.2 + 0.9) / 3
    assert cut.tokens == 50


def test_accumulated_batches_make_one_step() -> None:
    curves = Curves()
    curves.add_batch(0.25, 3)
    curves.add_batch(0.5, 4)
    curves.end_step()
    assert curves.train_loss == pytest.approx(0.75)
    assert curves.tokens == 7


def test_the_rate_counts_stepping_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("tasks.training.curves.time.monotonic", lambda: now_s[0])
    curves = Curves()
    now_s[0] = 150.0
    curves.start_clock()  # loading is not training
    curves.add_batch(0.1, 30)
    now_s[0] = 152.0
    curves.end_step()
    now_s[0] = 160.0
    curves.end_epoch(0.2, {})  # nor is validation stepping
    assert curves.tokens_per_s == 15.0
    assert curves.total_s == 10.0
    assert Curves().tokens_per_s == 0.0


def test_a_long_curve_keeps_its_course_in_few_points(tmp_path: Path) -> None:
    """Cut at any step or not: at most 200 points, whose steps-weighted mean is that of all."""
    whole, cut = Curves(), Curves()
    for step in range(1, 1851):
        for curves in (whole, cut):
            curves.add_point(step, 2000.0 - step, 0.1, 1.0)
        if step % 617 == 0:
            cut.save(tmp_path)
            cut = Curves.load(tmp_path)
    assert cut.curve == whole.curve
    assert 100 <= len(whole.curve) <= MAX_POINTS
    steps = [point.step for point in whole.curve]
    assert steps == sorted(steps)
    assert steps[-1] == 1850
    for before, point in zip(whole.curve, whole.curve[1:], strict=False):
        if point.step < 1850:
            middle = (before.step + 1 + point.step) / 2
            assert point.loss == pytest.approx(2000 - middle)


def test_a_short_curve_has_every_step() -> None:
    curves = Curves()
    for step in (1, 2, 3):
        curves.add_point(step, float(step), 0.1, 0.5)
    assert [point.loss for point in curves.curve] == [1.0, 2.0, 3.0]
