"""Serves a causal language model: ``text`` to its continuation and its mean log-likelihood."""

from collections.abc import Sequence
from typing import Any

import mlflow
import pandas as pd
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

CONTINUATION_TOKENS = 32


class ServedCausalLm(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Continues a text, and says how likely the text itself is."""

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
        self.stride = int(context.model_config.get("stride", 0))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: Any = None
    ) -> list[dict[str, Any]]:
        """Continuation, mean log-probability of a token in nats, and tokens of each text."""
        return [self.answer(text) for text in model_input["text"]]

    @torch.inference_mode()
    def answer(self, text: str) -> dict[str, Any]:
        """What is said of one text; a text without tokens has no log-likelihood."""
        start = self.tokenizer.bos_token_id
        start = self.tokenizer.eos_token_id if start is None else start
        ids = [start, *self.tokenizer(text, add_special_tokens=False)["input_ids"]]
        tokens = len(ids) - 1
        return {
            "continuation": self.continue_from(ids),
            "mean_log_likelihood": self.log_likelihood(ids) / tokens if tokens else None,
            "tokens": tokens,
        }

    def log_likelihood(self, ids: Sequence[int]) -> float:
        """Log-probability in nats of all tokens but the first, in windows that share some."""
        shared, total, done = max(self.stride, 1), 0.0, 1
        for begin in range(0, max(len(ids) - shared, 1), self.max_length - shared):
            window = torch.tensor([ids[begin : begin + self.max_length]])
            logs = self.model(input_ids=window).logits[0].log_softmax(dim=-1)  # (T, V)
            end = begin + window.shape[1]
            for place in range(done, end):
                total += float(logs[place - 1 - begin, ids[place]])
            done = end
        return total

    def continue_from(self, ids: Sequence[int]) -> str:
        """The text that follows, always the likeliest token next."""
        new_tokens = min(CONTINUATION_TOKENS, self.max_length // 2)
        prompt = torch.tensor([ids[-(self.max_length - new_tokens) :]])
        written = self.model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=new_tokens,
            do_sample=False,
            num_beams=1,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        return str(self.tokenizer.decode(written[0, prompt.shape[1] :], skip_special_tokens=True))


mlflow.models.set_model(ServedCausalLm())
