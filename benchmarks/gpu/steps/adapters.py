"""LoRA on a decoder: few parameters learn, the loss falls, and what comes out is a plain model."""

from typing import Final

import torch
from safetensors.torch import load_file

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.trainings import choice_of, fall_of, job_for, settings_for, train
from infra.base_models import WEIGHTS_FILE
from infra.transformers_logs import quiet_transformers
from tasks.task_types.scoring import load_model
from tasks.training.methods import learning_parameters
from tasks.training.models import new_model

LARGEST_SHARE: Final = 0.5
EMBEDDINGS: Final = "model.embed_tokens.weight"


def run(report: Report, inputs: Inputs) -> None:
    """Train adapters, and open what was kept."""
    size = inputs.size
    settings = settings_for(
        inputs, method="lora", learning_rate=4 * size.learning_rate, epochs=size.epochs,
        batch_size=2 * size.batch_size,
    )  # fmt: skip
    job = job_for(inputs, "causal_lm", "smollm2", settings, few=True)
    with quiet_transformers():
        model = new_model(job)
    share = learning_parameters(model, settings) / sum(p.numel() for p in model.parameters())
    report.check("adapters", right=0 < share < LARGEST_SHARE, said=f"{share:.2%} learn")
    del model
    weights = train(inputs, job, choice_of())
    first, last = fall_of(weights)
    report.check("loss", right=last < first, said=f"falls from {first:.3f} to {last:.3f}")
    report.figure("tokens_per_s", weights.tokens_per_s, "tokens/s")
    report.figure("peak", weights.peak_memory_mb, "MB")
    folder = inputs.store.get_folder(weights.artifact, inputs.folder / "lora")
    before, after = (load_file(place / WEIGHTS_FILE) for place in (job.base_folder, folder))
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    report.check(
        "merged", right=bool(changed) and set(before) == set(after) and EMBEDDINGS not in changed,
        said=f"{len(changed)} of {len(before)} tensors changed; embeddings are none of them",
    )  # fmt: skip
    with quiet_transformers():
        load_model(folder, "AutoModelForCausalLM")
    report.check("opens", right=True, said="as a plain model of transformers")
