"""Every stage as a Prefect task: thin, and the only importers of Prefect here."""
