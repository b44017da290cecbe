"""Answers for a registered model that gives a text a vector."""

from typing import Any

import mlflow
import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoTokenizer

ROWS_AT_ONCE = 32


class EmbeddingModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """For the column source: ``{"vector": [...]}``, not scaled to any length."""

    def load_context(self, context: Any) -> None:
        """Load model and tokenizer."""
        folder = context.artifacts["model"]
        self.max_length = int(context.model_config["max_length"])
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, split_special_tokens=True
        )
        model = AutoModel.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The mean of the last hidden state over the real tokens of each text."""
        texts = model_input["source"].tolist()
        return [
            {"vector": vector}
            for start in range(0, len(texts), ROWS_AT_ONCE)
            for vector in self._vectors(texts[start : start + ROWS_AT_ONCE]).tolist()
        ]

    def _vectors(self, texts: list[str]) -> torch.Tensor:
        """Vectors (B, H); zeros for a text without tokens."""
        pad_id = self.tokenizer.pad_token_id
        encoded = self.tokenizer(texts, truncation=True, max_length=self.max_length)["input_ids"]
        vectors = torch.zeros(len(texts), self.model.config.hidden_size)
        filled = [place for place, ids in enumerate(encoded) if ids]
        if not filled:
            return vectors
        rows = [torch.tensor(encoded[place]) for place in filled]
        masks = [torch.ones_like(row) for row in rows]
        mask = pad_sequence(masks, batch_first=True).to(self.model.device)
        inputs = pad_sequence(rows, batch_first=True, padding_value=pad_id).to(self.model.device)
        with torch.inference_mode():
            hidden = self.model(input_ids=inputs, attention_mask=mask).last_hidden_state.float()
        real = mask.unsqueeze(-1)  # (B, T, 1)
        vectors[filled] = ((hidden * real).sum(dim=1) / real.sum(dim=1)).cpu()
        return vectors


mlflow.models.set_model(EmbeddingModel())
