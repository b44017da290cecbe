"""Serves an instruction-tuned model: ``messages`` to its answer."""

from collections.abc import Iterable, Mapping
from typing import Any

import mlflow
import pandas as pd
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROBE = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello"}]


class ServedChat(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answers the last question of a conversation."""

    def load_context(self, context: Any) -> None:
        """Load the model and its tokenizer."""
        folder = context.artifacts["model"]
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
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
        ids = self.tokenize(self.write(PROBE, prompts=False)[len(asked) :])
        special = {
            token for token, one in self.tokenizer.added_tokens_decoder.items() if one.special
        }
        special |= set(self.tokenizer.all_special_ids)
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
        ids = self.tokenize(self.write(turns))
        while len(ids) > room:
            questions = [place for place, turn in enumerate(turns) if turn["role"] == "user"]
            if len(questions) <= 1:
                break
            system = 1 if turns[0]["role"] == "system" else 0
            turns = turns[:system] + turns[questions[1] :]
            ids = self.tokenize(self.write(turns))
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

    def tokenize(self, text: str) -> list[int]:
        """Token ids; the template has put the special ones in."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


mlflow.models.set_model(ServedChat())
