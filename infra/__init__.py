"""The outside world: settings, the object store, MLflow, Prefect and the local servers."""
