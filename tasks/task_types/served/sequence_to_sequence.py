"""Serves translation and summarisation: ``source`` to the text that the model writes."""

from typing import Any

import mlflow
import pandas as pd
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer


class ServedSequenceToSequence(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Writes a text from a text, by the generation settings that are saved with the model."""

    def load_context(self, context: Any) -> None:
        """Load the model and its tokenizer."""
        folder = context.artifacts["model"]
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, split_special_tokens=True
        )
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model = AutoModelForSeq2SeqLM.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        ).eval()
        self.max_length = int(context.model_config["max_length"])
        self.max_target_length = (
            int(context.model_config.get("max_target_length", 0)) or self.max_length
        )

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: Any = None
    ) -> list[dict[str, Any]]:
        """One answer a row."""
        return [{"text": self.write(source)} for source in model_input["source"]]

    @torch.inference_mode()
    def write(self, source: str) -> str:
        """The text that the model writes, one row at a time: others could turn a close choice."""
        read = self.tokenizer(
            source, truncation=True, max_length=self.max_length, return_attention_mask=False
        )
        ids = read["input_ids"]
        if not ids:
            end = self.tokenizer.eos_token_id
            ids = [self.tokenizer.sep_token_id if end is None else end]
        source_ids = torch.tensor([ids])
        written = self.model.generate(
            input_ids=source_ids,
            attention_mask=torch.ones_like(source_ids),
            max_new_tokens=self.max_target_length,
        )
        return str(self.tokenizer.decode(written[0], skip_special_tokens=True)).strip()


mlflow.models.set_model(ServedSequenceToSequence())
