"""Trainer, set up for a line: its steps in passes, its validation, and its checkpoints."""

import logging
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer
from transformers.trainer import SCHEDULER_NAME as SCHEDULER_FILE
from transformers.trainer_callback import ExportableState

from infra.errors import TrainingError
from tasks.task_types.examples import Example, Vocabulary
from tasks.task_types.learner import Learner
from tasks.training.averaging import WeightAverage
from tasks.training.background_writes import BackgroundWriter
from tasks.training.batching import (
    StepLoader,
    StepSampler,
    TokenizedRows,
    as_step,
    length_of,
)
from tasks.training.checkpoint_copies import check_fits, take_snapshot
from tasks.training.checkpoints import TRAINER_FOLDER, TRAINER_STATE_FILE
from tasks.training.curves import Curves
from tasks.training.disk import explain_full_disk
from tasks.training.dropout import dropout_of
from tasks.training.group_dro import GroupAdversary
from tasks.training.memory import is_out_of_memory
from tasks.training.methods import layer_classes, parameter_groups
from tasks.training.passes import Objective, Passes, Taught
from tasks.training.privacy.spending import PrivateTraining
from tasks.training.ranks import ALONE, Ranks
from tasks.training.settings import TrainingSettings
from tasks.training.sharding import load_sharded, load_sharded_optimizer, shard_on_cpu
from tasks.training.validation import validate

logger = logging.getLogger(__name__)


class LineTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped here
    """Trainer with our row order, passes, validation and checkpoints.

    Attributes:
        curves: what training has come to so far.
        writer: writes the checkpoints; `keep` is told the folder and step of each that is whole.
        passes: how a step's examples become passes.
        written: metrics of what a model writes, asked in each validation; None where none are.
        workers: those that train this model together.
        private: draws and makes the steps where training is private; None where it is not.
        compiled: whether the model is.
        adversary: weighs the groups of rows; None where none are weighed as it learns.

    """

    optimizer: Any
    control: Any
    is_fsdp_enabled: bool

    def __init__(
        self,
        model: Any,
        arguments: Any,
        learner: Learner,
        settings: TrainingSettings,
        rows: tuple[TokenizedRows, TokenizedRows],
        vocabulary: Vocabulary,
        curves: Curves,
        keep: Callable[[Path, int], None] = lambda _folder, _step: None,
        workers: Ranks = ALONE,
        taught: Taught | None = None,
        adversary: GroupAdversary | None = None,
    ) -> None:
        super().__init__(
            model=model,
            args=arguments,
            data_collator=as_step,
            train_dataset=rows[0],
            eval_dataset=rows[1],
        )
        self.curves = curves
        self.writer = BackgroundWriter()
        self.average: WeightAverage | None = None
        self.written: Callable[[Any], Mapping[str, float]] | None = None
        self.passes = Passes(
            learner,
            vocabulary,
            settings.tokens_per_pass,
            worker=workers.rank,
            workers=workers.count,
            even=settings.sharding == "fsdp",
            taught=taught,
            adversary=adversary,
        )
        self._objective = Objective(
            learner, self.accelerator, self.compute_loss_context_manager, workers=workers,
            taught=taught, adversary=adversary,
        )  # fmt: skip
        self.adversary = adversary
        self.private: PrivateTraining | None = None
        self.compiled = False
        self._learner = learner
        self._settings = settings
        self._keep = keep
        self.workers = workers
        self._step_loss = 0.0

    def create_accelerator_and_postprocess(self) -> None:
        """Accelerate as the arguments say, sharding on CPUs too."""
        options = self.args.fsdp_plugin_args
        if options:
            options["transformer_cls_names_to_wrap"] = layer_classes(self.model)
        super().create_accelerator_and_postprocess()
        if options and not self.is_fsdp_enabled:
            shard_on_cpu(self.accelerator, options)
            self.is_fsdp_enabled = True

    def get_train_dataloader(self) -> StepLoader:
        """The examples of one optimizer step after the other."""
        rows = self.train_dataset
        if self.private:
            return StepLoader(rows, self.private.sampler)
        return StepLoader(rows, StepSampler(rows, self.args.train_batch_size, self.args.seed))

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW with the rates and decays of the settings."""
        model = self.model if model is None else model
        if self.optimizer is None:
            decaying = set(self.get_decay_parameter_names(model))
            groups = parameter_groups(model, self._settings, decaying)
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, model)
            self.optimizer = kind(groups, **options)
        return self.optimizer

    def floating_point_ops(self, _inputs: Any) -> int:
        """Not counted: Trainer knows neither the passes of a step nor their shapes."""
        return 0

    def training_step(
        self, model: Any, inputs: dict[str, Any], _num_items_in_batch: Any = None
    ) -> Tensor:
        """Forward and backward passes of one optimizer step.

        A step that does not fit into memory is begun anew with half the tokens a pass, and so are
        all steps after it.

        Returns:
            The mean loss of the step over all workers' rows.

        Raises:
            TrainingError: the loss is no number, or a single row does not fit into memory.

        """
        examples: list[Example] = inputs["examples"]
        model.train()
        while True:
            try:
                with dropout_of(self.args.device.type, compiled=self.compiled):
                    losses = self._backward(model, examples)
                break
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0]
            self._halve_passes(model, examples, reason)
        self._refuse_no_number(losses)
        if self.adversary:
            self.adversary.end_step(self.workers)
        loss = self.workers.sum(torch.stack(losses).sum().item())[0]
        self._step_loss = loss
        self.curves.add_batch(loss, sum(map(length_of, examples)))
        return torch.tensor(loss, device=self.args.device)

    def _backward(self, model: Any, examples: Sequence[Example]) -> list[Tensor]:
        device = self.args.device
        if self.adversary:
            self.adversary.begin_step()
        if self.private:
            steps = self.private.steps
            return steps.backward(model, examples, self.passes, self._objective, device)
        return self._objective.backward(model, self.passes.of(examples), device)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        self.curves.add_point(
            self.state.global_step + 1, self._step_loss, self._get_learning_rate(), float(norm)
        )
        return norm

    def _refuse_no_number(self, losses: Sequence[Tensor]) -> None:
        broken = [n for n, one in enumerate(losses, start=1) if not math.isfinite(one.item())]
        if broken:
            raise TrainingError(
                f"the training loss is {losses[broken[0] - 1].item()} at step "
                f"{self.state.global_step + 1} (pass {broken[0]} of {len(losses)}); lower "
                f"training.learning_rate ({self.args.learning_rate:g}) or training.max_grad_norm "
                f"({self.args.max_grad_norm:g})"
            )

    def _halve_passes(self, model: Any, examples: Sequence[Example], reason: str) -> None:
        """Have the step begun anew with half as many tokens a pass; gradients are forgotten."""
        model.zero_grad()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        step = self.passes.of(examples)
        size = max(batch.size for batch in step.batches)
        if self.workers.count > 1:  # the others are in the middle of the same step
            raise TrainingError(
                f"a pass of {size} tokens does not fit into the memory of worker "
                f"{self.workers.rank} ({reason}); lower training.tokens_per_pass "
                f"({self.passes.budget}), and run again: training goes on from its last checkpoint"
            )
        if max(step.examples) == 1:
            raise TrainingError(
                f"a single row of {size} tokens does not fit into memory ({reason}); lower "
                "tokenization.max_length, or take a smaller base model"
            )
        self.passes.budget = max(1, size // 2)
        logger.warning(
            "out of memory at step %s: passes take at most %s tokens from here on, in place of "
            "%s; the rows of a step stay %s (%s)",
            self.state.global_step + 1, self.passes.budget, size, self.args.train_batch_size,
            reason,
        )  # fmt: skip

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Validate; the average in place of the weights, where there is one."""
        with self.average.in_place() if self.average else nullcontext():
            loss, values = self._validate()
        metrics = {"eval_loss": loss, **{f"eval_{name}": v for name, v in values.items()}}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _validate(self) -> tuple[float, dict[str, float]]:
        """Loss and metrics over the validation rows, within the budget of the passes."""
        self.model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            loss, values = validate(
                self.model, self.eval_dataset, self.passes, self._objective, self._learner,
                self.args.device, self.workers,
            )  # fmt: skip
            if self.written:
                # All write, and go by the first: a beam that ends elsewhere on another GPU would
                # let some of them stop early and leave the others waiting.
                values |= self.workers.from_first(self.written(self.model))
            return loss, values

    def _save_checkpoint(self, _model: Any, _trial: Any) -> None:
        """Copy what a resumed run needs to memory; disk and store take it beside the training.

        Raises:
            TrainingError: there is no room for this checkpoint, or was none for the one before.

        """
        self.writer.wait()
        step, best = self.state.global_step, self.state.best_global_step
        folder = Path(self.args.output_dir) / TRAINER_FOLDER.format(step=step)
        if best:
            best_folder = folder.with_name(TRAINER_FOLDER.format(step=best))
            self.state.best_model_checkpoint = str(best_folder)
        with explain_full_disk(folder.parent):
            self._write_small_parts(folder)
        snapshot = take_snapshot(self)
        self.workers.wait()  # each has written its random state

        def write() -> None:
            with explain_full_disk(folder.parent):
                snapshot.write(self.model, folder)
                self._keep(folder, step)
            for other in folder.parent.glob(TRAINER_FOLDER.format(step="*")):
                if other.name not in {folder.name, TRAINER_FOLDER.format(step=best)}:
                    shutil.rmtree(other, ignore_errors=True)

        if self.workers.is_first:
            self.writer.submit(write)

    def _write_small_parts(self, folder: Path) -> None:
        """Random states, schedule, loss scale and Trainer's own state: some kilobytes."""
        folder.mkdir(parents=True, exist_ok=True)
        self._save_rng_state(str(folder))
        if not self.workers.is_first:
            return
        self._save_scaler(str(folder))
        torch.save(self.lr_scheduler.state_dict(), folder / SCHEDULER_FILE)
        for part in (*self.callback_handler.callbacks, self.control):
            if isinstance(part, ExportableState):
                self.state.stateful_callbacks[type(part).__name__] = part.state()
        self.state.save_to_json(str(folder / TRAINER_STATE_FILE))
        self.curves.save(folder)
        if self.adversary:
            self.adversary.save(folder)

    def _load_from_checkpoint(self, folder: str, model: Any = None) -> None:
        if self.is_fsdp_enabled:
            load_sharded(self.model, Path(folder))
        else:
            check_fits(self.model, Path(folder))
            super()._load_from_checkpoint(folder, model)

    def _load_optimizer_and_scheduler(self, folder: str | None) -> None:
        if not (self.is_fsdp_enabled and folder):
            super()._load_optimizer_and_scheduler(folder)
            return
        load_sharded_optimizer(self.model, self.optimizer, Path(folder))
        schedule = torch.load(Path(folder) / SCHEDULER_FILE, weights_only=True)
        self.lr_scheduler.load_state_dict(schedule)

    def _load_best_model(self) -> None:
        self.writer.wait()
        self.workers.wait()
        if self.is_fsdp_enabled:
            load_sharded(self.model, Path(self.state.best_model_checkpoint))
        else:
            super()._load_best_model()
        if self.average:
            self.average.load(Path(self.state.best_model_checkpoint))
            self.average.put(self.average.values)
