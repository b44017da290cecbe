"""Personal data in served requests and their answers, before either is kept."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from tasks.task_types.rows import TEXT, RowShape, arrow_type
from tasks.validation.personal_data.protection import Protector
from tasks.validation.personal_data.settings import PrivacySettings

# Any text by itself, where no row says what it is.
_ANY_TEXT: Final = RowShape(task_type="any text", columns=(TEXT,), leading="none")

Pair = tuple[dict[str, Any], Any]


class RequestRedactor:
    """Redacts inputs as the rows of a snapshot are, and every text of an answer by itself.

    A row that the policy would put aside, or end a run for, comes back as None: nothing of it may
    be kept. Texts of an answer that are labels of the line stand as they are.

    Args:
        settings: the line's privacy policy.
        shape: of the rows of its task type.
        labels: of its models.

    Raises:
        SettingsError: see `Protector`.

    """

    def __init__(
        self, settings: PrivacySettings, shape: RowShape, labels: Sequence[str] = ()
    ) -> None:
        aside = {
            kind: "quarantine" if action == "fail" else action
            for kind, action in settings.policy.items()
        }
        settings = settings.model_copy(update={"policy": aside})
        self._shape, self._labels = shape, frozenset(labels)
        self._inputs = Protector(settings, shape)
        self._texts = Protector(settings, _ANY_TEXT)

    def redact(self, pairs: Sequence[Pair]) -> list[Pair | None]:
        """Inputs and answers as they may be kept, in order; None for a row that may not be."""
        inputs = self._redacted_inputs([inputs for inputs, _ in pairs])
        answers = self._redacted_answers([answer for _, answer in pairs])
        return [
            None if one is None or answer is _ASIDE else (one, answer)
            for one, answer in zip(inputs, answers, strict=True)
        ]

    def _redacted_inputs(self, inputs: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
        """Feedback has no inputs; its empty object stays one."""
        schema = pa.schema([(one.name, arrow_type(one.kind)) for one in self._shape.columns])
        rows = [{name: one.get(name) for name in schema.names} for one in inputs]
        swept = self._inputs.protect(pa.Table.from_pylist(rows, schema=schema))
        kept = swept.rows.to_pylist()
        return [
            None if aside else {name: row[name] for name in given}
            for given, row, aside in zip(inputs, kept, swept.quarantine, strict=True)
        ]

    def _redacted_answers(self, answers: Sequence[Any]) -> list[Any]:
        texts = [(at, text) for at, answer in enumerate(answers) for text in self._leaves(answer)]
        table = pa.table({"text": pa.array([text for _, text in texts], pa.string())})
        swept = self._texts.protect(table)
        aside = {at for (at, _), why in zip(texts, swept.quarantine, strict=True) if why}
        redacted = iter(swept.rows["text"].to_pylist())
        # Taken in the order in which they were listed, also where the row is put aside.
        filled = [self._filled(answer, redacted) for answer in answers]
        return [_ASIDE if at in aside else answer for at, answer in enumerate(filled)]

    def _leaves(self, value: Any) -> Iterator[str]:
        """The texts of a JSON value that are no labels."""
        if isinstance(value, str) and value not in self._labels:
            yield value
        elif isinstance(value, list):
            for one in value:
                yield from self._leaves(one)
        elif isinstance(value, dict):
            for one in value.values():
                yield from self._leaves(one)

    def _filled(self, value: Any, texts: Iterator[str]) -> Any:
        """The value with the next of the texts in place of each of its leaves."""
        if isinstance(value, str):
            return value if value in self._labels else next(texts)
        if isinstance(value, list):
            return [self._filled(one, texts) for one in value]
        if isinstance(value, dict):
            return {key: self._filled(one, texts) for key, one in value.items()}
        return value


_ASIDE: Final = object()
