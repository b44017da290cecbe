"""What serves a registered model: a pipeline of transformers, or a script of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.catalogue import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One of two.

    Attributes:
        pipeline: name of the transformers pipeline that answers for such a model.
        script: the script that does, with mlflow, torch and transformers and nothing of this
            project; it is shipped with every registered version.
        in_place_of_pipeline: the script that answers for a compressed model, which no pipeline
            loads; where a script answers in any case, it is that one.

    """

    pipeline: str | None = None
    script: Path | None = None
    in_place_of_pipeline: Path | None = None

    def __post_init__(self) -> None:
        if (self.pipeline is None) == (self.script is None):
            raise ValueError("a model is served by a pipeline or by a script; name one of the two")

    @property
    def for_compressed(self) -> Path | None:
        """The script that answers for a compressed model; None where nothing does."""
        return self.script or self.in_place_of_pipeline


# What goes with that script into a compressed version: it is loaded by the first, which gives it
# the network of the second.
COMPRESSED_SCRIPT: Final = Path(__file__).parent / "served" / "compressed.py"
NETWORK_MODULE: Final = Path(__file__).parent / "onnx_network.py"


SERVERS: Final[Catalogue[Server]] = Catalogue(
    chosen_by="task_type",
    group="assayline.task_types",
    part="server",
    entries={
        "classification": "tasks.task_types.labels.classification.server:SERVER",
        "multi_label": "tasks.task_types.labels.multi_label.server:SERVER",
        "regression": "tasks.task_types.labels.regression.server:SERVER",
        "tagging": "tasks.task_types.tags.tagging.server:SERVER",
        "question_answering": "tasks.task_types.questions.question_answering.server:SERVER",
        "relation_extraction": "tasks.task_types.relations.server:SERVER",
        "translation": "tasks.task_types.generation.server:SERVER",
        "summarisation": "tasks.task_types.generation.server:SERVER",
        "sentence_embedding": "tasks.task_types.embeddings.sentence_embedding.server:SERVER",
        "chat": "tasks.task_types.language_models.chat.server:SERVER",
        "preference": "tasks.task_types.language_models.preference.server:SERVER",
        "causal_lm": "tasks.task_types.language_models.causal_lm.server:SERVER",
        "masked_lm": "tasks.task_types.language_models.masked_lm.server:SERVER",
        "next_sentence": "tasks.task_types.language_models.next_sentence.server:SERVER",
    },
)


def server_of(task_type: str) -> Server:
    """The server of a task type.

    Raises:
        SettingsError: there is no such task type.

    """
    return SERVERS.load(task_type)
