"""Serves a next-sentence model: ``text`` to how likely each of its sentences follows the last."""

import re
from itertools import pairwise
from typing import Any

import mlflow
import pandas as pd
import torch
from transformers import AutoModelForPreTraining, AutoTokenizer

END = re.compile(
    r"(?<=[.!?])[\"'\u201d\u2019)\]]*\s+"
    r"|(?<=[\u3002\uff01\uff1f])[\u201d\u2019\u300d\u300f\uff09]*"
    r"|\n+"
)


class ServedNextSentence(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Judges the order of a document's sentences."""

    def load_context(self, context: Any) -> None:
        """Load the model and its tokenizer."""
        folder = context.artifacts["model"]
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, split_special_tokens=True
        )
        self.model = AutoModelForPreTraining.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        ).eval()
        self.max_length = int(context.model_config["max_length"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: Any = None
    ) -> list[dict[str, Any]]:
        """For each document one probability less than it has sentences."""
        return [self.answer(text) for text in model_input["text"]]

    @torch.inference_mode()
    def answer(self, text: str) -> dict[str, Any]:
        """What is said of one document."""
        sentences = self.split(text)
        found = []
        for first, second in pairwise(sentences):
            encoded = self.tokenizer(
                first, second, truncation=True, max_length=self.max_length, return_tensors="pt"
            )
            logits = self.model(
                input_ids=encoded["input_ids"],
                attention_mask=encoded["attention_mask"],
                token_type_ids=encoded["token_type_ids"],
            ).seq_relationship_logits
            found.append(float(logits.softmax(dim=-1)[0, 0]))
        return {"next_probabilities": found}

    def split(self, text: str) -> list[str]:
        """The sentences of a text, in order, without surrounding space."""
        sentences, start = [], 0
        for found in END.finditer(text):
            sentences.append(text[start : found.end()])
            start = found.end()
        sentences.append(text[start:])
        return [sentence.strip() for sentence in sentences if sentence.strip()]


mlflow.models.set_model(ServedNextSentence())
