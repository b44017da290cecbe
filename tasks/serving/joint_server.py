"""Relations of a text alone: a tagging line finds the entities, and the line classifies the pairs.

Both lines are served as they are by themselves, each with its versions, canary and records.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks.records.registry import Production
from tasks.serving.asking import Asked, ServedRequest
from tasks.serving.entity_pairs import AskedPairs, FoundEntity, entities_in, pairs_of
from tasks.serving.line_server import LineServer
from tasks.serving.settings import EntitiesSettings
from tasks.serving.waiting_rows import Answered
from tasks.task_types.roles import FINDS_ENTITIES
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.words_in_text import words_in

# Is told what a version made of rows that it was asked.
TellOf = Callable[[ServedRequest, Asked], None]


class TooManyAskedError(Exception):
    """A request has more texts, or its texts more pairs of entities, than rows may wait."""


@dataclass(frozen=True)
class JointAnswer:
    """What is found in the texts of a request.

    Attributes:
        predictions: one a text: ``entities``, ``relations`` and ``pairs_left_out``.
        relations: the version that classified the pairs; where there were none, that serves.
        entities: the version that found the entities; where no text had a word, that serves.

    """

    predictions: tuple[dict[str, Any], ...]
    relations: Production
    entities: Production

    @property
    def versions(self) -> dict[str, int]:
        """Their numbers by the names of the lines."""
        return {one.line: one.version for one in (self.relations, self.entities)}


class JointServer:
    """Asks the one line, then the other.

    Attributes:
        tagger: serves the tagging line.

    """

    def __init__(
        self, relations: LineServer, tagger: LineServer, settings: EntitiesSettings
    ) -> None:
        self.tagger = tagger
        self._relations, self._settings = relations, settings

    async def answer(
        self, request: ServedRequest, tell: TellOf, tell_tagger: TellOf
    ) -> JointAnswer:
        """Entities and relations of each text.

        All entities are of one version, and so are all relations. Both models are asked under the
        request's id: the tagging line's rows are its texts, and the line's own are the pairs, in
        the order of texts, subjects and objects.

        Args:
            request: rows of a text alone.
            tell: is told what each version of the line made of the pairs.
            tell_tagger: likewise of the tagging line, and the words of the texts.

        Raises:
            TooManyAskedError: there are more pairs than the line's `serving.max_waiting_rows`, or
                more texts than the tagging line's.
            AnswerFailedError, QueueFullError, UnansweredError: see `LineServer.answer`; of either.

        """
        shape = shape_of(self._relations.production.task_type)
        texts = [row[shape.entities[0].text] for row in request.rows]
        found, entities_of = await self._found(request, texts, tell_tagger)
        pairs = [
            pairs_of(text, entities, shape, self._settings.types, self._settings.max_pairs)
            for text, entities in zip(texts, found, strict=True)
        ]
        answered = await self._classified(request, pairs, tell)
        answers = iter(enumerate(answered))
        return JointAnswer(
            tuple(
                _prediction(entities, asked, [next(answers) for _ in asked.rows])
                for entities, asked in zip(found, pairs, strict=True)
            ),
            answered[0].production if answered else self._relations.production,
            entities_of,
        )

    async def _found(
        self, request: ServedRequest, texts: Sequence[str], tell: TellOf
    ) -> tuple[list[list[FoundEntity]], Production]:
        """The entities of each text, and the version that found them."""
        if len(texts) > (most := self.tagger.settings.max_waiting_rows):
            raise TooManyAskedError(
                f"the request has {len(texts)} texts, and the line that finds entities takes at "
                f"most {most} at once (setting serving.max_waiting_rows of "
                f"{self.tagger.production.line}); send fewer"
            )
        (column,) = shape_of(FINDS_ENTITIES).inputs
        words = [words_in(text) for text in texts]
        rows = [{column.name: [one.word for one in placed]} for placed in words]
        asked = ServedRequest(request.id, rows, request.received_at, request.began)
        answered = await self.tagger.answer(asked, lambda told: tell(asked, told))
        entities = [
            entities_in(text, placed, one.answer)
            for text, placed, one in zip(texts, words, answered, strict=True)
        ]
        return entities, answered[0].production if answered else self.tagger.production

    async def _classified(
        self, request: ServedRequest, pairs: Sequence[AskedPairs], tell: TellOf
    ) -> list[Answered]:
        rows = [row for asked in pairs for row in asked.rows]
        most = self._relations.settings.max_waiting_rows
        if len(rows) > most:
            raise TooManyAskedError(
                f"the entities of the request make {len(rows)} pairs; send fewer texts at once, so "
                f"that at most {most} are asked (setting serving.max_waiting_rows), or lower "
                "serving.entities.max_pairs"
            )
        self._check_size(rows)
        if not rows:
            return []
        asked = ServedRequest(request.id, rows, request.received_at)
        return await self._relations.answer(asked, lambda told: tell(asked, told))

    def _check_size(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Each pair is a row with its whole text, which a request of pairs would have to hold."""
        column = shape_of(self._relations.production.task_type).entities[0].text
        size = sum(len(row[column]) for row in rows)
        most = self._relations.settings.max_request_bytes
        if size > most:
            raise TooManyAskedError(
                f"the entities of the request make {len(rows)} pairs, whose texts have {size:,} "
                f"characters together, and at most {most:,} may be asked (setting "
                "serving.max_request_bytes); send shorter texts, or lower "
                "serving.entities.max_pairs"
            )


def _prediction(
    entities: Sequence[FoundEntity], asked: AskedPairs, answers: Sequence[tuple[int, Answered]]
) -> dict[str, Any]:
    """What is said of a text; a relation's row is that by which feedback names it."""
    relations = [
        {"row": row, "subject": subject, "object": object_, **one.answer}
        for (subject, object_), (row, one) in zip(asked.places, answers, strict=True)
    ]
    return {
        "entities": [asdict(one) for one in entities],
        "relations": relations,
        "pairs_left_out": asked.left_out,
    }
