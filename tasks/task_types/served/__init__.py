"""The scripts that answer for registered models: one a task type that transformers cannot serve.

A script here goes into the registered version as it is ("models from code" of MLflow), and is run
wherever that version is loaded. So it keeps to this:

- It imports mlflow, torch, transformers, numpy, pandas and the standard library: what a version
  requires. Never this project, and no other script of this folder.
- It defines one subclass of ``mlflow.pyfunc.PythonModel`` and ends with
  ``mlflow.models.set_model(ThatClass())``. Importing it does nothing else: no model is loaded.
- ``load_context(self, context)`` loads the folder ``context.artifacts["model"]``, as transformers
  saved it with the tokenizer, in float32, with ``local_files_only`` and ``use_safetensors``, and
  takes what it needs of ``context.model_config``: max_length, stride and max_target_length, in
  tokens (see `tasks.task_types.limits.TokenLimits`).
- ``predict(self, context, model_input: pd.DataFrame, params=None)`` gives a list of dicts, one a
  row, in the order of the rows. The columns are the task type's inputs: a string, a list of
  strings, a list of turns {role, content}, or a whole number. Without the annotation MLflow warns
  at each load.
- Each dict has the same keys, whatever the row, and holds strings, finite numbers, booleans, None,
  and lists and dicts of these: no numpy scalar, no tensor.
- Every row is answered: an empty text, one longer than the model, one in another script. Of marked
  entities those that cannot be meant are refused, with a ValueError that names the row.
- An answer depends on its row alone, and not on the others in the request; it is what the task
  type's examiner puts into ``answer`` for that row. The staging check compares them.

These files are read, never imported, by the rest of this project: MLflow is for infra alone.
Why so: docs/decisions/0012-how-a-version-is-served.md.
"""
