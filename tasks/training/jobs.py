"""What one training reads and where it writes, as one process hands it to another."""

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from infra.device import Device
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.group_dro import GroupDro
from tasks.records.lesson import Lesson, Reference, SoftLabels
from tasks.records.reweighing import Reweighing
from tasks.records.training import BaseModel, Tokens
from tasks.task_types.examples import TrainingRows
from tasks.task_types.learner import Learner, LossSettings, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.soft_labels import SoftLabels as SoftLabelsOfTask
from tasks.task_types.soft_labels import soft_labels_of
from tasks.training.checkpoints import Checkpoints
from tasks.training.settings import TrainingSettings

JOB_FILE, PLACE_FILE = "job.json", "place.json"


@dataclass(frozen=True)
class Job:
    """All that one training reads, and where it writes.

    Attributes:
        key: digest of everything that shapes the weights.
        base_folder: local folder of the base model.
        run_id: MLflow run of the curves.
        begun_s: when it was begun, on this machine's monotonic clock.
        lesson: what it learns from beside the labels, or is held against; None of a training by
            labels alone.

    """

    store: ObjectStore
    tracking: Tracking
    tokens: Tokens
    base: BaseModel
    learner: Learner
    settings: TrainingSettings
    device: Device
    key: str
    base_folder: Path
    run_id: str
    begun_s: float = field(default_factory=time.monotonic)
    lesson: Lesson | Reference | None = None

    @property
    def checkpoints(self) -> Checkpoints:
        """Where this training's checkpoints are."""
        prefix = self.store.uri("checkpoints", self.key)
        return Checkpoints(self.store, prefix, self.settings.keep_checkpoints)

    def fitted_to(self, rows: TrainingRows) -> "Job":
        """The same job, whose learner knows what it must of all training rows."""
        return replace(self, learner=self.learner.fitted_to(rows))

    def save(self, path: Path) -> None:
        """Write for a worker on this machine; it opens store, servers and device itself."""
        values = {
            "tokens": asdict(self.tokens),
            "base": asdict(self.base),
            "task_type": self.learner.name,
            "settings": self.settings.model_dump(mode="json"),
            "device": asdict(self.device),
            "key": self.key,
            "base_folder": str(self.base_folder),
            "run_id": self.run_id,
            "begun_s": self.begun_s,
            "lesson": asdict(self.lesson) if self.lesson else None,
        }
        path.write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def load(cls, path: Path, store: ObjectStore, tracking: Tracking) -> "Job":
        """Read what `save` wrote."""
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tokens = _tokens_of(values["tokens"])
        settings = TrainingSettings(**values["settings"])
        return cls(
            store=store,
            tracking=tracking,
            tokens=tokens,
            base=BaseModel(**values["base"]),
            learner=learner_for(values["task_type"], tokens, settings),
            settings=settings,
            device=Device(**values["device"]),
            key=values["key"],
            base_folder=Path(values["base_folder"]),
            run_id=values["run_id"],
            begun_s=values["begun_s"],
            lesson=_lesson_of(values["lesson"]),
        )

    @property
    def rounds(self) -> int:
        """How often each training example was drawn anew and asked about; 1 of most lessons."""
        return self.lesson.soft_labels.rounds if isinstance(self.lesson, Lesson) else 1

    @property
    def soft_labels(self) -> SoftLabelsOfTask | None:
        """How the learner learns from a teacher; None of a training without one."""
        if not isinstance(self.lesson, Lesson):
            return None
        return soft_labels_of(self.learner, self.lesson.temperature)


def learner_for(task_type: str, tokens: Tokens, settings: TrainingSettings) -> Learner:
    """The learner of a training, of which nothing is fitted yet.

    Raises:
        SettingsError: the task type is unknown.

    """
    preference = settings.on_preferences
    loss = LossSettings(
        settings.label_smoothing,
        balanced=settings.class_weights == "balanced",
        beta=preference.beta,
        flipped=preference.label_smoothing,
    )
    return learner_of(task_type, tokens.labels, TokenLimits.of(tokens), loss)


def _tokens_of(values: dict[str, Any]) -> Tokens:
    artifact, labels = Artifact(**values["artifact"]), tuple(values["labels"])
    weighed = values.get("reweighing")
    reweighing = Reweighing.of(weighed) if weighed else None
    grouped = values.get("group_dro")
    group_dro = GroupDro.of(grouped) if grouped else None
    own = {"artifact": artifact, "labels": labels, "reweighing": reweighing, "group_dro": group_dro}
    return Tokens(**{**values, **own})


def _lesson_of(values: dict[str, Any] | None) -> Lesson | Reference | None:
    if values is None:
        return None
    if "soft_labels" not in values:
        shards_of = {split: _artifacts(values[split]) for split in ("train", "validation")}
        return Reference(**{**values, "model": BaseModel(**values["model"]), **shards_of})
    labels = values["soft_labels"]
    shards = _artifacts(labels["shards"])
    soft, layers = SoftLabels(**{**labels, "shards": shards}), tuple(values["layers"])
    return Lesson(**{**values, "soft_labels": soft, "layers": layers})


def _artifacts(values: list[dict[str, Any]]) -> tuple[Artifact, ...]:
    return tuple(Artifact(**one) for one in values)


@dataclass(frozen=True)
class WorkingFolder:
    """Local folders of a training; its workers on one machine share them.

    Attributes:
        folder: holds all of them.
        checkpoint: Trainer's folder to go on from; None at the beginning.
        resumed_from: the step of that checkpoint; 0 at the beginning.
        attempt: how often workers were started anew.

    """

    folder: Path
    checkpoint: Path | None = None
    resumed_from: int = 0
    attempt: int = 0

    @property
    def tokens(self) -> Path:
        """Folder of the tokens."""
        return self.folder / "tokens"

    @property
    def lesson(self) -> Path:
        """Folder of what another model says of the rows."""
        return self.folder / "lesson"

    @property
    def checkpoints(self) -> Path:
        """Trainer's output folder; each attempt has its own."""
        return self.folder / f"checkpoints-{self.attempt}"

    @property
    def weights(self) -> Path:
        """Folder of the trained model."""
        return self.folder / "weights"

    def at_checkpoint(self, checkpoint: Path | None, step: int) -> "WorkingFolder":
        """The same place, going on from there."""
        return replace(self, checkpoint=checkpoint, resumed_from=step)

    def anew(self) -> "WorkingFolder":
        """The same place, for the next attempt."""
        return replace(self, attempt=self.attempt + 1)

    def save(self, path: Path) -> None:
        """Write for a worker on this machine."""
        checkpoint = str(self.checkpoint) if self.checkpoint else None
        values = {**asdict(self), "folder": str(self.folder), "checkpoint": checkpoint}
        path.write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "WorkingFolder":
        """Read what `save` wrote."""
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        checkpoint = Path(values["checkpoint"]) if values["checkpoint"] else None
        return cls(**{**values, "folder": Path(values["folder"]), "checkpoint": checkpoint})
