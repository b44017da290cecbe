"""Answers for a registered classifier of texts that is served compressed, or that abstains.

As it was trained, transformers' own pipeline answers for it: `infra.model_format`.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForSequenceClassification, AutoTokenizer

ROWS_AT_ONCE = 32


class ClassificationModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """For the column text: ``{"label": str, "score": float}``, the likeliest label.

    A model with a threshold gives the label "abstain" where the score is lower, and in any case
    ``likeliest``, the label that it would have given.
    """

    def load_context(self, context: Any) -> None:
        """Load model and tokenizer."""
        folder = context.artifacts["model"]
        self.max_length = int(context.model_config["max_length"])
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, split_special_tokens=True
        )
        model = AutoModelForSequenceClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        stated = Path(folder) / "abstention.json"
        self.threshold = None
        if stated.is_file():
            self.threshold = float(json.loads(stated.read_text(encoding="utf-8"))["threshold"])
        names = self.model.config.id2label
        self.labels = [names[index] for index in range(len(names))]

    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The label of each text and its probability."""
        texts = model_input["text"].tolist()
        answers = []
        for start in range(0, len(texts), ROWS_AT_ONCE):
            found = self._logits(texts[start : start + ROWS_AT_ONCE]).softmax(dim=-1).max(dim=-1)
            for score, place in zip(found.values.tolist(), found.indices.tolist(), strict=True):
                answers.append(self._answer(self.labels[place], score))
        return answers

    def _answer(self, label: str, score: float) -> dict[str, Any]:
        if self.threshold is None:
            return {"label": label, "score": score}
        given = label if score >= self.threshold else "abstain"
        return {"label": given, "score": score, "likeliest": label}

    def _logits(self, texts: list[str]) -> torch.Tensor:
        """Outputs (B, L); a text without tokens is read as one padding token."""
        pad_id = self.tokenizer.pad_token_id
        encoded = self.tokenizer(texts, truncation=True, max_length=self.max_length)["input_ids"]
        rows = [torch.tensor(ids or [pad_id]) for ids in encoded]
        masks = [torch.ones_like(row) for row in rows]
        with torch.inference_mode():
            outputs = self.model(
                input_ids=pad_sequence(rows, batch_first=True, padding_value=pad_id).to(
                    self.model.device
                ),
                attention_mask=pad_sequence(masks, batch_first=True).to(self.model.device),
            )
        logits: torch.Tensor = outputs.logits.float().cpu()
        return logits


mlflow.models.set_model(ClassificationModel())
