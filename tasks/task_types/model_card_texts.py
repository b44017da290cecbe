"""What a model of each task type is for, in the words of a model card."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ModelCardTexts:
    """A task type as a reader of a model card meets it.

    Attributes:
        hub_task: Hugging Face's name of the task (https://huggingface.co/tasks).
        title: the task in words.
        does: what the model does with what it is given, as a whole sentence.
        limit: what every such model cannot do, as a whole sentence.
        classes: what its labels are called; empty where it has none.
        is_pipeline: whether the registered model is a transformers pipeline, which is asked with a
            list of texts, and not with rows.

    """

    hub_task: str
    title: str
    does: str
    limit: str
    classes: str = ""
    is_pipeline: bool = False


MODEL_CARD_TEXTS: Final[dict[str, ModelCardTexts]] = {
    "classification": ModelCardTexts(
        "text-classification",
        "Text classification",
        "It puts a text into one class.",
        "It always answers with one of its classes, also for a text that belongs to none of them.",
        "classes",
        is_pipeline=True,
    ),
    "multi_label": ModelCardTexts(
        "text-classification",
        "Multi-label text classification",
        "It gives a text every label that is probable enough, which may be none.",
        "It knows no labels but its own, and whether one is given turns on a fixed probability.",
        "labels",
    ),
    "regression": ModelCardTexts(
        "text-classification",
        "Regression on texts",
        "It gives a number for a text.",
        "It gives a number for any text, and does not say how sure it is.",
    ),
    "tagging": ModelCardTexts(
        "token-classification",
        "Tagging of words",
        "It gives each word of a text a tag, which mark spans such as names.",
        "It marks no spans but of the types that its tags name.",
        "tags",
    ),
    "question_answering": ModelCardTexts(
        "question-answering",
        "Extractive question answering",
        "It finds the answer to a question in a text that comes with it.",
        "It can only copy a passage of that text, which need not be right.",
    ),
    "translation": ModelCardTexts(
        "translation",
        "Translation",
        "It writes a text in another language.",
        "What it writes may read well and yet say something else than the text.",
    ),
    "summarisation": ModelCardTexts(
        "summarization",
        "Summarisation",
        "It writes a short form of a text.",
        "What it writes may leave out what matters, and say what the text does not.",
    ),
    "sentence_embedding": ModelCardTexts(
        "sentence-similarity",
        "Sentence embeddings",
        "It turns a text into a vector, near to those of texts of like meaning.",
        "A vector compares with vectors of the same version only.",
    ),
    "chat": ModelCardTexts(
        "text-generation",
        "Conversation",
        "It writes the next turn of a conversation.",
        "It may say what is false, or what does harm, as surely as anything else.",
    ),
    "causal_lm": ModelCardTexts(
        "text-generation",
        "Language modelling",
        "It tells how probable a text is, and writes on from its start.",
        "What it writes is likely as text, which does not make it true.",
    ),
    "masked_lm": ModelCardTexts(
        "fill-mask",
        "Masked language modelling",
        "It guesses hidden words of a text, and is a base for other models.",
        "A guess is a likely word, which does not make it true.",
    ),
    "next_sentence": ModelCardTexts(
        "fill-mask",
        "Masked language modelling and next-sentence prediction",
        "It guesses hidden words, tells whether one sentence follows another, and is a base for "
        "other models.",
        "A guess is a likely word, which does not make it true.",
    ),
}
