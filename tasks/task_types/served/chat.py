"""Serves an instruction-tuned model: ``messages`` to its answer."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import mlflow
import pandas as pd
import torch
from tokenizers import AddedToken, Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

# Noncharacters of Unicode; a character that says which control token it is follows.
TYPED, WRITTEN = "\U0010fffe", "\U0010ffff"
FIRST_MARK = 0xF0000
PROBE = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello"}]


class TemplateTokens:
    """Reads what the chat template writes: its control tokens as such, what was typed as text."""

    def __init__(self, tokenizer: Any) -> None:
        """Two readers: one that looks for control tokens, one for marks in their place."""
        added = tokenizer.added_tokens_decoder.items()
        self.ids = {one.content: number for number, one in added if one.special}
        self.ids |= dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
        self.marks = {one: chr(FIRST_MARK + place) for place, one in enumerate(self.ids)}
        longest_first = sorted(self.ids, key=len, reverse=True)
        self.spelled = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        written = tokenizer.backend_tokenizer.to_str()
        self.whole, self.apart = Tokenizer.from_str(written), Tokenizer.from_str(written)
        for one in (self.whole, self.apart):
            one.no_padding()
            one.no_truncation()
        self.whole.encode_special_tokens = False
        self.apart.encode_special_tokens = True
        flags = {one.content: one for _, one in added}
        self.apart.add_tokens(
            [
                AddedToken(
                    WRITTEN + mark,
                    lstrip=one in flags and flags[one].lstrip,
                    rstrip=one in flags and flags[one].rstrip,
                    normalized=False,
                    special=False,
                )
                for one, mark in self.marks.items()
            ]
        )
        self.id_of_mark = {
            self.apart.token_to_id(WRITTEN + self.marks[one]): number
            for one, number in self.ids.items()
        }
        normalise = self.whole.normalizer.normalize_str if self.whole.normalizer else str
        self.normalise = normalise
        self.normalised = [
            normalise(one) for one in self.ids if one in flags and flags[one].normalized
        ]

    def spells(self, text: str) -> bool:
        """Whether a text spells a control token."""
        if self.spelled.search(text):
            return True
        return bool(self.normalised) and any(one in self.normalise(text) for one in self.normalised)

    def mark(self, turn: dict[str, str]) -> dict[str, str]:
        """A turn with marks in the place of the control tokens that it spells."""
        return {
            key: self.spelled.sub(
                lambda found: TYPED + self.marks[found[0]],
                value.replace(TYPED, "").replace(WRITTEN, ""),
            )
            for key, value in turn.items()
        }

    def read(self, text: str, *, marked: bool) -> list[int]:
        """Token ids of what the template wrote, of marked turns or of turns as they are."""
        if not marked:
            return list(self.whole.encode(text, add_special_tokens=False).ids)
        text = self.spelled.sub(lambda found: WRITTEN + self.marks[found[0]], text)
        for spelling, mark in self.marks.items():
            text = text.replace(TYPED + mark, spelling)
        found = self.apart.encode(text, add_special_tokens=False).ids
        return [self.id_of_mark.get(one, one) for one in found]


class ServedChat(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answers the last question of a conversation."""

    def load_context(self, context: Any) -> None:
        """Load the model and its tokenizer."""
        folder = context.artifacts["model"]
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, split_special_tokens=True
        )
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        ).eval()
        self.max_length = int(context.model_config["max_length"])
        wanted = int(context.model_config.get("max_target_length", 0)) or self.max_length
        self.new_tokens = min(wanted, self.max_length // 2)
        self.controls = TemplateTokens(self.tokenizer)
        self.ends = self.end_tokens()

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: Any = None
    ) -> list[dict[str, Any]]:
        """One answer a conversation."""
        return [{"answer": self.answer(turns)} for turns in model_input["messages"]]

    def end_tokens(self) -> list[int]:
        """The model's own end tokens, and the one that ends an assistant's turn."""
        own = self.model.generation_config.eos_token_id
        ends = [] if own is None else list(own) if isinstance(own, list) else [own]
        asked = self.write(PROBE[:1])
        answer = self.write(PROBE, prompts=False)[len(asked) :]
        ids = self.controls.read(answer, marked=False)
        special = set(self.controls.ids.values())
        return ends + [token for token in ids if token in special][:1]

    @torch.inference_mode()
    def answer(self, messages: Iterable[Mapping[str, str]]) -> str:
        """What the assistant says next, always the likeliest token; nothing to nobody."""
        turns = [{"role": turn["role"], "content": turn["content"]} for turn in messages]
        if turns and turns[-1]["role"] == "assistant":
            turns = turns[:-1]
        if not turns:
            return ""
        room = self.max_length - self.new_tokens
        ids = self.prompt_ids(turns)
        while len(ids) > room:
            questions = [place for place, turn in enumerate(turns) if turn["role"] == "user"]
            if len(questions) <= 1:
                break
            system = 1 if turns[0]["role"] == "system" else 0
            turns = turns[:system] + turns[questions[1] :]
            ids = self.prompt_ids(turns)
        prompt = torch.tensor([ids[-room:]])
        written = self.model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=self.new_tokens,
            do_sample=False,
            num_beams=1,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.ends or None,
        )
        return str(self.tokenizer.decode(written[0, prompt.shape[1] :], skip_special_tokens=True))

    def write(self, turns: list[dict[str, str]], *, prompts: bool = True) -> str:
        """A conversation as the chat template writes it, and the prompt for an answer."""
        return str(
            self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=prompts)
        )

    def prompt_ids(self, turns: list[dict[str, str]]) -> list[int]:
        """Token ids of a conversation; only the template writes control tokens."""
        marked = any(self.controls.spells(value) for turn in turns for value in turn.values())
        given = [self.controls.mark(turn) for turn in turns] if marked else turns
        return self.controls.read(self.write(given), marked=marked)


mlflow.models.set_model(ServedChat())
