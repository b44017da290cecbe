"""The page of a sweep says what its trials came to, and shows which is taken."""

import re
from itertools import pairwise

import yaml

from tasks.records.sweep import Measurement, SweepResult, Trial
from tasks.reporting.sweep_page import (
    pictures_of,
    place_of,
    render_sweep_page,
    sentence_of,
    settings_as_yaml,
    sweep_markdown,
    trial_rows,
)
from tests.unit.reporting.parsed_page import Page

RATE, LAYERS = "training.learning_rate", "distillation.student_layers"
TRIALS = (
    Trial(
        1, {RATE: 0.00012345, LAYERS: [0, 2]}, "", Measurement(0.9, 0.88, 0.92),
        (0.7, "gender.female"), Measurement(1.0, 1.0, 1.0), 3.5, 90_000_000, 7_200.0, ("a" * 64,),
    ),
    Trial(
        2, {RATE: 0.5, LAYERS: [0]}, "the loss of step 3 is <no number>; lower the rate",
    ),
    Trial(
        3, {RATE: 0.0003, LAYERS: [0]}, "", Measurement(0.895, 0.87, 0.91),
        (0.6, "gender.male"), Measurement(0.51, 0.48, 0.55), 1.8, 45_000_000, 3_600.0, ("b" * 64,),
    ),
    Trial(
        4, {RATE: 0.0001, LAYERS: [0, 2]}, "", Measurement(0.8, 0.77, 0.83),
        (0.5, "gender.male"), Measurement(1.1, 1.0, 1.2), 3.6, 90_000_000, 7_300.0, ("c" * 64,),
    ),
)  # fmt: skip
RESULT = SweepResult(
    line="news", study="news 0123456789abcdef", metric="macro_f1", greater_is_better=True, rows=222,
    planned=6, trials=TRIALS, front=(1, 3), best=1, taken=3,
    rule="the smallest within 1% of the best", machine_hour_cost=2.5,
    note="the space has 4 points, and all of them were tried",
)  # fmt: skip
SETTINGS = settings_as_yaml(TRIALS[2].settings)


def test_the_taken_settings_are_a_part_of_a_line() -> None:
    assert yaml.safe_load(SETTINGS) == {
        "training": {"learning_rate": 0.0003}, "distillation": {"student_layers": [0]},
    }  # fmt: skip


def test_the_page_is_well_formed_and_says_what_the_trials_came_to() -> None:
    page = Page(render_sweep_page(RESULT, SETTINGS))
    assert page.open == []
    levels = [int(tag[1]) for tag, _ in page.tags if re.match(r"h\d$", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for said in (
        "Trial 3 is taken, the smallest within 1% of the best; trial 1 is the best.",
        "4 of 6 trials were made, since the space has 4 points", "222 validation rows",
        "No test row was read",
        "is <no number>; lower the rate", "news 0123456789abcdef", "b" * 64, "student_layers",
        "at 2.5 an hour",
    ):  # fmt: skip
        assert said in page.text, said
    assert "a" * 64 not in page.text
    assert render_sweep_page(RESULT, SETTINGS) == render_sweep_page(RESULT, SETTINGS)


def test_the_table_has_the_taken_trial_first_and_failed_ones_last() -> None:
    rows = trial_rows(RESULT)
    assert [(row.number, row.place) for row in rows] == [
        ("3", "taken"), ("1", "on the front"), ("4", "beaten"), ("2", "failed"),
    ]  # fmt: skip
    first = rows[0]
    assert first.settings == "training.learning_rate 0.0003, distillation.student_layers [0]"
    assert (first.quality, first.interval) == ("0.8950", "[0.8700, 0.9100]")
    assert first.worst_group == "0.6000 (gender.male)"
    assert first.latency == "0.5100 times [0.4800, 0.5500], 1.800 ms a row"
    assert (first.size, first.training, first.cost) == ("45.00 MB", "1 h 0 min", "2.500")
    assert rows[1].latency == "1.000 times, 3.500 ms a row"
    assert (rows[3].quality, rows[3].reason) == ("none", TRIALS[1].reason)


def test_without_a_price_cost_is_in_hours() -> None:
    plain = SweepResult(**{**vars(RESULT), "machine_hour_cost": None})
    assert trial_rows(plain)[1].cost == "2.000 h"
    assert "in hours of the machine" in Page(render_sweep_page(plain, SETTINGS)).text


def test_a_picture_has_each_trial_with_numbers_once_at_its_place() -> None:
    pictures = pictures_of(RESULT)
    assert [one.id for one in pictures] == ["latency", "size", "cost"]
    for picture in pictures:
        beaten, front, taken = picture.plane.lines
        assert [len(one.dots) for one in (beaten, front, taken)] == [1, 1, 1]
        assert not any(one.joined for one in picture.plane.lines)
        assert taken.dots[0].x < front.dots[0].x
        assert front.dots[0].y < taken.dots[0].y < beaten.dots[0].y
        assert taken.dots[0].radius > front.dots[0].radius
    html = render_sweep_page(RESULT, SETTINGS)
    assert html.count("trial 3: 0.8950 at ") == 3
    assert '<line class="join"' not in html


def test_where_the_best_is_taken_it_is_said() -> None:
    best = SweepResult(**{**vars(RESULT), "taken": 1, "rule": "the best", "note": ""})
    assert sentence_of(best) == "Trial 1 is taken, the best. 4 of 6 trials were made."
    assert place_of(best, TRIALS[0]) == "taken"


def test_of_an_error_the_least_is_first() -> None:
    falling = SweepResult(**{**vars(RESULT), "greater_is_better": False, "front": (1, 3, 4)})
    assert [row.number for row in trial_rows(falling)] == ["3", "4", "1", "2"]
    assert "lower is better" in Page(render_sweep_page(falling, SETTINGS)).text


def test_the_run_has_a_table_and_the_settings() -> None:
    text = sweep_markdown(RESULT, SETTINGS)
    assert f"```yaml\n{SETTINGS}```" in text
    assert "| ★ taken | 3 |" in text
    assert "&lt;no number&gt;" in text
