"""Prints how often each estimate's interval holds the truth, and how often a gate passes falsely.

Beside the ends at 95% it counts false passes at the levels of looks at the same rows (decision
0032): the nominal share is 2.5% divided by 2 at the first look, by 6, 12 and 30 at looks 2, 3, 5.

The last line is one JSON object; the exit code is 1 where a gate at the truth is passed in more
than 3% of draws (the nominal share is 2.5%; at a later look in more than 1.2 times its own), as far
as so many draws can tell, or where no draw tells what a world's rows should tell.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from tests.simulation.abstention_worlds import ABSTENTION
from tests.simulation.answer_worlds import ANSWERS
from tests.simulation.behaviour_worlds import BEHAVIOUR
from tests.simulation.compression_worlds import COMPRESSION
from tests.simulation.data_worlds import DATA
from tests.simulation.drift_worlds import DRIFT
from tests.simulation.explanation_worlds import EXPLANATION
from tests.simulation.fairness_worlds import FAIRNESS
from tests.simulation.golden_fresh_worlds import GOLDEN_FRESH
from tests.simulation.group_worlds import GROUPS
from tests.simulation.harm_worlds import HARM
from tests.simulation.label_worlds import LABELS
from tests.simulation.looks_worlds import YEARS, Year, YearTally, run_years
from tests.simulation.memory_worlds import MEMORY
from tests.simulation.mitigation_worlds import MITIGATION
from tests.simulation.monitor_worlds import UNLIKE
from tests.simulation.overlap_worlds import OVERLAP
from tests.simulation.policy_worlds import POLICY
from tests.simulation.preference_worlds import PREFERENCES
from tests.simulation.quality_worlds import QUALITY
from tests.simulation.rare_label_worlds import RARE_LABELS
from tests.simulation.recipe_worlds import RECIPES
from tests.simulation.relation_worlds import RELATIONS
from tests.simulation.scenarios import LOOKS, Tally, exceeds, is_silent, run
from tests.simulation.score_worlds import SCORES
from tests.simulation.slice_worlds import SLICES
from tests.simulation.stereotype_worlds import STEREOTYPES
from tests.simulation.teacher_worlds import TEACHER
from tests.simulation.written_worlds import WRITTEN

SCENARIOS = (
    *QUALITY, *RARE_LABELS, *WRITTEN, *ANSWERS, *SCORES, *SLICES, *GOLDEN_FRESH, *FAIRNESS,
    *GROUPS, *OVERLAP, *RECIPES, *BEHAVIOUR, *POLICY, *DRIFT, *UNLIKE, *LABELS, *DATA,
    *RELATIONS, *TEACHER, *COMPRESSION, *PREFERENCES, *STEREOTYPES,
    *EXPLANATION, *ABSTENTION, *MEMORY, *HARM, *MITIGATION,
)  # fmt: skip
TRIALS = 1_000
TRIALS_OF_A_JOB = 100
# A year of candidates takes fifty times as long as one draw of test rows.
TRIALS_OF_A_YEAR = 5
YEARS_OF_A_JOB = 10
PROCESSES = 2


def main() -> int:
    """Run the scenarios whose names hold the given words."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("words", nargs="*", help="only scenarios whose names hold one of these")
    parser.add_argument("--trials", type=int, default=TRIALS, help="draws of test rows each")
    asked = parser.parse_args()
    if asked.trials < 1:
        parser.error(f"--trials is {asked.trials}; draw once at least")
    chosen = [
        place for place, scenario in enumerate(SCENARIOS) if _is_asked(scenario.name, asked.words)
    ]
    if not chosen and not any(_is_asked(year.name, asked.words) for year in YEARS):
        parser.error(f"no world's name holds any of {asked.words}")
    started, rows, failed = time.monotonic(), [], 0
    looked = "".join(f"{f'look {look}':>8}" for look in LOOKS)
    print(f"{'world, estimate':<78}  covers  too high  too low  untold   width{looked}")
    with ProcessPoolExecutor(PROCESSES) as pool:
        for place in chosen:
            seeds = range(0, asked.trials, TRIALS_OF_A_JOB)
            sizes = [min(TRIALS_OF_A_JOB, asked.trials - seed) for seed in seeds]
            parts = list(pool.map(_job, [place] * len(seeds), sizes, seeds))
            for name in parts[0]:
                tally = Tally()
                for part in parts:
                    tally = tally.plus(part[name])
                silent = is_silent(SCENARIOS[place], name, tally)
                failed += exceeds(tally) or silent
                rows.append(_row(SCENARIOS[place].name, name, tally, silent=silent))
        looks, failed_years = _years(pool, asked)
        failed += failed_years
    print(
        json.dumps(
            {
                "trials": asked.trials,
                "seconds": round(time.monotonic() - started),
                "failed": failed,
                "estimates": rows,
                "looks": looks,
            }
        )
    )
    return int(failed > 0)


def _is_asked(name: str, words: Sequence[str]) -> bool:
    return not words or any(word in name for word in words)


def _job(place: int, trials: int, seed: int) -> dict[str, Tally]:
    return run(SCENARIOS[place], trials, seed)


def _years(
    pool: ProcessPoolExecutor, asked: argparse.Namespace
) -> tuple[list[dict[str, object]], int]:
    """Years of weekly candidates: what was printed of each, and how many had too many false ones.

    Of the two ways to judge, the one at 95% each is printed to be compared with, and never counts.
    """
    rows, failed, years = [], 0, -(-asked.trials // TRIALS_OF_A_YEAR)
    for year in YEARS:
        if not _is_asked(year.name, asked.words):
            continue
        parts = [
            range(start, min(start + YEARS_OF_A_JOB, years))
            for start in range(0, years, YEARS_OF_A_JOB)
        ]
        done = list(pool.map(run_years, [year] * len(parts), parts))
        for way in done[0]:
            tally = YearTally()
            for part in done:
                tally = tally.plus(part[way])
            failed += way == "by looks" and exceeds(Tally(tally.years, too_high=tally.false))
            rows.append(_year_row(year, way, tally))
    return rows, failed


def _year_row(year: Year, way: str, tally: YearTally) -> dict[str, object]:
    shares = {
        "years_with_a_false_pass": tally.false / tally.years,
        "years_with_a_true_pass": tally.good / tally.years,
        "passes_a_year": tally.passes / tally.years,
        "first_better_one_passes": tally.first_good / tally.years,
    }
    told = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in shares.items())
    print(f"{year.name}, {way}: {told}", flush=True)
    return {"world": year.name, "judged": way, "years": tally.years} | shares


def _row(world: str, estimate: str, tally: Tally, *, silent: bool) -> dict[str, object]:
    told = tally.trials - tally.undetermined
    high, low = tally.too_high / tally.trials, tally.too_low / tally.trials
    covers = 1 - (tally.too_high + tally.too_low) / told if told else np.nan
    width = tally.width / told if told else np.nan
    at_looks = {look: tally.worst_at(look) for look in LOOKS}
    shares = "".join("       -" if one is None else f"{one:>8.4f}" for one in at_looks.values())
    mark = "  <-- " if exceeds(tally) else ""
    print(
        f"{world + ', ' + estimate:<78}{covers:>8.3f}{high:>10.3f}{low:>9.3f}"
        f"{tally.undetermined / tally.trials:>8.2f}{width:>8.3f}{shares}{mark}"
        f"{'  <-- never told' * silent}",
        flush=True,
    )
    return {
        "world": world,
        "estimate": estimate,
        "too_high": high,
        "too_low": low,
        "covers": covers,
        "too_often_at_look": at_looks,
    }


if __name__ == "__main__":
    sys.exit(main())
