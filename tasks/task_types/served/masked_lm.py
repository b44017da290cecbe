"""Serves a masked language model: ``text`` to the likeliest tokens at each of its masks."""

import hashlib
import json
from typing import Any

import mlflow
import pandas as pd
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM, AutoTokenizer

EVERY = 7
LIKELIEST = 5
PLACES = 6


class ServedMaskedLm(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Fills the mask tokens of a text; where it has none, every seventh word is hidden."""

    def load_context(self, context: Any) -> None:
        """Load the model and its tokenizer."""
        folder = context.artifacts["model"]
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, split_special_tokens=True
        )
        self.model = AutoModelForMaskedLM.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        ).eval()
        self.max_length = int(context.model_config["max_length"])
        # Who marks a blank writes the mask token; no other control token, and none in a text.
        parts = json.loads(self.tokenizer.backend_tokenizer.to_str())
        for added in parts["added_tokens"]:
            added["special"] &= added["id"] != self.tokenizer.mask_token_id
        self.plain = self.tokenizer.backend_tokenizer
        self.with_blanks = Tokenizer.from_str(json.dumps(parts))
        for backend in (self.plain, self.with_blanks):
            backend.encode_special_tokens = True
            backend.no_padding()
            backend.enable_truncation(self.max_length, direction=self.tokenizer.truncation_side)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: Any = None
    ) -> list[dict[str, Any]]:
        """Likeliest tokens, their probabilities, and the log-likelihood of what was hidden."""
        return [self.answer(text) for text in model_input["text"]]

    @torch.inference_mode()
    def answer(self, text: str) -> dict[str, Any]:
        """What is said of one text, over all its windows."""
        mask = self.tokenizer.mask_token_id
        found = self.with_blanks.encode(text)
        asked = any(mask in window.ids for window in (found, *found.overflowing))
        if not asked:
            found = self.plain.encode(text)
        answer: dict[str, Any] = {"tokens": [], "scores": [], "mean_log_likelihood": None}
        true: list[float] = []
        for window in (found, *found.overflowing):
            ids = window.ids
            hidden = [place for place, token in enumerate(ids) if token == mask]
            if not asked:
                hidden = self.choose(text, ids, window.word_ids)
            shown = torch.tensor([ids])
            shown[0, hidden] = mask
            logits = self.model(input_ids=shown, attention_mask=torch.ones_like(shown)).logits[0]
            logs = logits[hidden].log_softmax(dim=-1)  # (M, V)
            best = logs.topk(min(LIKELIEST, logs.shape[-1]), dim=-1)
            for tokens, scores in zip(
                best.indices.tolist(), best.values.exp().tolist(), strict=True
            ):
                answer["tokens"].append(self.tokenizer.convert_ids_to_tokens(tokens))
                answer["scores"].append([round(score, PLACES) for score in scores])
            true += [float(row[ids[place]]) for row, place in zip(logs, hidden, strict=True)]
        if true and not asked:
            answer["mean_log_likelihood"] = sum(true) / len(true)
        return answer

    def choose(self, text: str, ids: list[int], words: list[int | None]) -> list[int]:
        """Places of the tokens of every seventh word; the text says which is the first."""
        special = set(self.tokenizer.all_special_ids)
        known = [None if token in special else word for token, word in zip(ids, words, strict=True)]
        distinct = sorted({word for word in known if word is not None})
        first = hashlib.sha256(text.encode()).digest()[0] % max(min(EVERY, len(distinct)), 1)
        chosen = set(distinct[first::EVERY])
        return [place for place, word in enumerate(known) if word in chosen]


mlflow.models.set_model(ServedMaskedLm())
