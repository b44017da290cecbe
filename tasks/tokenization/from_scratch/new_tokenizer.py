"""A tokenizer, trained on texts.

What it is made of depends on the kind: how a text is normalised, cut into words, and a word into
pieces, in English and in scripts without spaces alike. Which tokens stand at a text's ends depends
on the architecture that reads it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from infra.errors import SettingsError
from tasks.tokenization.from_scratch.architectures.architecture import architecture_of
from tasks.tokenization.settings import ScratchSettings

# The texts, from the start each time it is called.
Texts = Callable[[], Iterator[str]]

# Share of a WordPiece vocabulary that single characters may take; rarer ones are unknown.
MAX_ALPHABET_SHARE: Final = 0.75
CONTINUED: Final = "##"


def train_tokenizer(texts: Texts, settings: ScratchSettings) -> Any:
    """A fast tokenizer of transformers; kinds wordpiece and bpe are the same each time.

    Raises:
        SettingsError: the vocabulary is too small to hold the characters of the texts.

    """
    from transformers import PreTrainedTokenizerFast

    special = architecture_of(settings).special_tokens
    names = list(dict.fromkeys(special.values()))
    kind = settings.tokenizer_kind
    if kind == "wordpiece":
        backend = _train_wordpiece(texts, settings, names)
    elif kind == "bpe":
        backend = _train_bpe(texts, settings, names)
    else:
        backend = _train_unigram(texts, settings, names)
    backend.post_processor = _ends_of_text(backend, settings)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=settings.max_positions,
        clean_up_tokenization_spaces=False,
        **special,
    )


def _train_wordpiece(texts: Texts, settings: ScratchSettings, special: list[str]) -> Tokenizer:
    """WordPiece (Wu et al. 2016) as BERT has it: words, and single signs of Chinese.

    The library numbers a word's inner characters in the order in which a hash map gives the words,
    and that number decides between equally frequent pairs. So they are numbered here first.
    """
    unknown = architecture_of(settings).special_tokens["unk_token"]
    normalizer = normalizers.BertNormalizer(lowercase=settings.lowercase)
    alphabet = _frequent_characters(texts, normalizer, settings.vocab_size)

    def train(vocab_size: int, first: list[str]) -> dict[str, int]:
        trained = Tokenizer(models.WordPiece(unk_token=unknown))
        trained.normalizer, trained.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocab_size,
            special_tokens=first,
            initial_alphabet=alphabet,
            limit_alphabet=len(alphabet),
            min_frequency=2,
            show_progress=False,
            continuing_subword_prefix=CONTINUED,
        )
        trained.train_from_iterator(texts(), trainer)
        return trained.get_vocab()

    single = sorted(piece for piece in train(0, special) if piece.startswith(CONTINUED))
    vocabulary = train(settings.vocab_size, [*special, *single])
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown))
    backend.normalizer, backend.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix=CONTINUED)
    return backend


def _frequent_characters(
    texts: Texts, normalizer: normalizers.BertNormalizer, vocab_size: int
) -> list[str]:
    counts: Counter[str] = Counter()
    for text in texts():
        counts.update(normalizer.normalize_str(text))
    found = [character for character in counts if not character.isspace()]
    found.sort(key=lambda character: (-counts[character], character))
    return sorted(found[: int(vocab_size * MAX_ALPHABET_SHARE)])


def _train_bpe(texts: Texts, settings: ScratchSettings, special: list[str]) -> Tokenizer:
    """Byte pairs (Sennrich et al. 2016, over bytes as in GPT-2): nothing is ever unknown."""
    backend = Tokenizer(models.BPE())
    backend.normalizer = _normalizer(normalizers.NFC(), settings)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=not architecture_of(settings).keeps_spaces
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=2,
        show_progress=False,
    )
    backend.train_from_iterator(texts(), trainer)
    return backend


def _train_unigram(texts: Texts, settings: ScratchSettings, special: list[str]) -> Tokenizer:
    """The likeliest pieces (Kudo 2018, arXiv:1804.10959), spaces kept as in SentencePiece."""
    unknown = architecture_of(settings).special_tokens["unk_token"]
    backend = Tokenizer(models.Unigram())
    backend.normalizer = _normalizer(normalizers.NFKC(), settings)
    # Chinese sets no spaces, so its words end at punctuation alone; pieces are found inside.
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=settings.vocab_size,
        special_tokens=special,
        unk_token=unknown,
        show_progress=False,
    )
    try:
        backend.train_from_iterator(texts(), trainer)
    except Exception as error:  # the Rust library raises it bare
        raise SettingsError(
            f"base_model.scratch.vocab_size is {settings.vocab_size}, too few to hold the "
            f"characters of the texts ({error}); raise it, or set tokenizer to bpe"
        ) from error
    return backend


def _normalizer(form: normalizers.Normalizer, settings: ScratchSettings) -> normalizers.Normalizer:
    return normalizers.Sequence([form, normalizers.Lowercase()]) if settings.lowercase else form


def _ends_of_text(backend: Tokenizer, settings: ScratchSettings) -> processors.PostProcessor:
    """What puts the special tokens around a text; a space before a word is no part of it."""
    steps: list[Any] = []
    if settings.tokenizer_kind == "bpe":
        steps.append(processors.ByteLevel(trim_offsets=True))
    architecture = architecture_of(settings)
    if architecture.around_one:
        names = architecture.special_tokens.values()
        steps.append(
            processors.TemplateProcessing(
                single=architecture.around_one,
                pair=architecture.around_two,
                special_tokens=[(name, backend.token_to_id(name)) for name in names],
            )
        )
    return processors.Sequence(steps)
