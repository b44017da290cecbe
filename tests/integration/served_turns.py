"""A script as `tasks.task_types.served` asks for, over conversations: the topic of each."""

import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer


class ServedTurns(PythonModel):
    def load_context(self, context):
        folder = context.artifacts["model"]
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.model = AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, local_files_only=True
        ).eval()
        self.settings = dict(context.model_config)

    def predict(self, context, model_input: pd.DataFrame, params=None):  # noqa: ARG002
        return [self.answer(turns) for turns in model_input["messages"]]

    @torch.inference_mode()
    def answer(self, turns):
        text = "\n".join(turn["content"] for turn in turns)
        length = self.settings["max_length"]
        batch = self.tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
        shares = self.model(**batch).logits[0].softmax(dim=-1).tolist()
        scores = dict(zip(self.model.config.id2label.values(), shares, strict=True))
        return {
            "reply": f"主题: {max(scores, key=scores.get)}",
            "scores": scores,
            "roles": [turn["role"] for turn in turns],
            "stride": self.settings["stride"],
        }


set_model(ServedTurns())
