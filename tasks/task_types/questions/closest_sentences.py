"""The trivial answer to a question: the sentence of the context that is most like it."""

import re
from typing import TYPE_CHECKING, Final

from tasks.task_types.questions.question_answering_measures import is_unspaced

if TYPE_CHECKING:
    import pyarrow as pa
    from sklearn.feature_extraction.text import TfidfVectorizer


_SENTENCE: Final = re.compile("[^.!?\u3002\uff01\uff1f\n]+[.!?\u3002\uff01\uff1f]*")


def closest_sentences(train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
    """Answers to the test rows; none at all where most training rows have none.

    Likeness is the cosine of TF-IDF vectors over words, or over runs of one to three characters
    where the training contexts are of a script without spaces.

    Args:
        train: Arrow table with context and answer.
        test: Arrow table with question and context.

    Returns:
        Arrow table with predicted_text; or the reason why there is none.

    """
    import pyarrow as pa

    contexts = list(dict.fromkeys(train.column("context").to_pylist()))
    if not contexts:
        return "the training split has no rows"
    if train.column("answer").null_count * 2 > train.num_rows:
        return pa.table({"predicted_text": pa.array([""] * test.num_rows, pa.string())})
    try:
        vectorizer = _vectorizer(contexts)
    except ValueError as error:  # no word at all is left of the texts
        return f"no TF-IDF baseline of these contexts: {error}"
    pairs = zip(
        test.column("question").to_pylist(), test.column("context").to_pylist(), strict=True
    )
    answers = [_closest(question, context, vectorizer) for question, context in pairs]
    return pa.table({"predicted_text": pa.array(answers, pa.string())})


def _vectorizer(contexts: list[str]) -> "TfidfVectorizer":
    from sklearn.feature_extraction.text import TfidfVectorizer

    by_characters = is_unspaced("".join(contexts))
    vectorizer = TfidfVectorizer(
        analyzer="char" if by_characters else "word",
        ngram_range=(1, 3) if by_characters else (1, 1),
    )
    return vectorizer.fit(contexts)


def _closest(question: str, context: str, vectorizer: "TfidfVectorizer") -> str:
    sentences = [one.strip() for one in _SENTENCE.findall(context) if one.strip()]
    if not sentences:
        return context.strip()
    likeness = vectorizer.transform(sentences) @ vectorizer.transform([question]).T
    closest: str = sentences[int(likeness.toarray().argmax())]
    return closest
