"""Control tokens of a tokenizer, and that text which spells one does not become one.

A tokenizer reads `[SEP]` or `<|im_end|>` in a text as its own control token unless it is told not
to (`split_special_tokens`, `encode_special_tokens` of the backend). Then the strings go the way of
all text. A vocabulary that holds them as pieces may still give them: SentencePiece's unigram models
take the likeliest pieces, and a control token is among the likeliest, while SentencePiece itself
never gives one (`</s>` is a CONTROL symbol there). So such strings are split once more.
"""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.errors import BaseModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast


def control_tokens(tokenizer: "PreTrainedTokenizerFast") -> dict[str, int]:
    """Id of each control token by the string that spells it.

    Added tokens that are not special are words like others, and none of them.
    """
    named = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)
    added = tokenizer.added_tokens_decoder.items()
    special = {one.content: number for number, one in added if one.special}
    return {str(content): int(number) for content, number in {**special, **dict(named)}.items()}


def reading_text(tokenizer: "PreTrainedTokenizerFast") -> "PreTrainedTokenizerFast":
    """A tokenizer, loaded with `split_special_tokens`, that gives no control token for any text.

    The same one, but where its vocabulary gives one: then one of no class of its own, because the
    classes build their tokenizer anew when they are loaded, and what splits the strings would be
    lost on the way to whoever serves the model.

    Raises:
        BaseModelError: a control token is a single character, which no text can spell otherwise.

    """
    given = sorted(_given_for_text(tokenizer))
    if not given:
        return tokenizer
    from tokenizers import Regex, pre_tokenizers

    backend = tokenizer.backend_tokenizer
    apart = "|".join(f"{re.escape(one[0])}(?={re.escape(one[1:])})" for one in given if one[1:])
    steps = [*([backend.pre_tokenizer] if backend.pre_tokenizer else [])]
    if apart:
        steps.append(pre_tokenizers.Split(Regex(apart), behavior="isolated"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(steps)
    if left := sorted(_given_for_text(tokenizer)):
        raise BaseModelError(
            f"the base model's tokenizer gives its control token {left[0]!r} for a text with these "
            "characters, so that a text could pass for the model's own marks; take another base "
            "model"
        )
    return _without_class(tokenizer)


def reading_masks(tokenizer: "PreTrainedTokenizerFast") -> "Tokenizer":
    """The backend of a tokenizer, but that a text can spell its mask token, and no other one.

    For the requests in which a person marks the words that are asked for.
    """
    from tokenizers import Tokenizer

    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    for added in parts["added_tokens"]:
        # Added tokens that are no special ones are looked for in any text.
        added["special"] &= added["id"] != tokenizer.mask_token_id
    backend = Tokenizer.from_str(json.dumps(parts))
    backend.encode_special_tokens = True
    backend.no_padding()
    return backend


def _given_for_text(tokenizer: "PreTrainedTokenizerFast") -> Iterator[str]:
    """Control tokens that the vocabulary gives for a text that spells them, the unknown one out."""
    for content, number in control_tokens(tokenizer).items():
        texts = (content, f"a{content}b", f"a {content} b")
        if number != tokenizer.unk_token_id and any(
            number in _plain_ids(tokenizer.backend_tokenizer, text) for text in texts
        ):
            yield content


def _plain_ids(backend: "Tokenizer", text: str) -> Iterator[int]:
    """Token ids of a text where no added token is looked for."""
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    words = [text]
    if backend.pre_tokenizer is not None:
        words = [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
    return (piece.id for word in words for piece in backend.model.tokenize(word))


def _without_class(tokenizer: "PreTrainedTokenizerFast") -> "PreTrainedTokenizerFast":
    from transformers import PreTrainedTokenizerFast

    plain = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        model_max_length=tokenizer.model_max_length,
        padding_side=tokenizer.padding_side,
        truncation_side=tokenizer.truncation_side,
        clean_up_tokenization_spaces=tokenizer.clean_up_tokenization_spaces,
        model_input_names=list(tokenizer.model_input_names),
        extra_special_tokens=list(tokenizer.extra_special_tokens),
        split_special_tokens=True,
        **tokenizer.special_tokens_map,
    )
    plain.chat_template = tokenizer.chat_template
    plain.name_or_path = tokenizer.name_or_path
    return plain
