"""Every error that a user can cause, each with one message that says what to mend.

::

    AssaylineError
    ├── SettingsError      a setting is unknown, out of bounds or contradicts another
    ├── DataError          the source, a column, a row or a label is not what the settings say
    │   └── BrokenContractError  the checked data breaks its contract (tasks.records.data)
    ├── BaseModelError     the base model is missing, broken or does not fit the task type
    │   └── NotAtHandError       it is not on this machine, and cannot be fetched
    ├── TrainingError      training cannot go on
    ├── ScoringError       a batch cannot be scored to its end
    ├── StoreError         the object store is unreachable, refuses the keys or lacks an object
    │   ├── StoreAwayError       it does not answer
    │   └── MissingObjectError   it lacks an object
    ├── TrackingError      MLflow is unreachable or lacks a version
    │   └── TrackingAwayError    it does not answer
    ├── StackError         a local server cannot start, or Prefect is unreachable
    ├── IntegrityError     what is stored is not what was written, or cannot be told to be
    └── PromotionError     a promotion or a rollback cannot be carried out
        └── OvertakenError       another transition was recorded at the same moment

A message names the setting, file or row, the value seen, and what would be right. Such an error
ends a flow run as Failed with that message, and the console command with exit code 1 and no
traceback. Anything else that is raised is a defect of this project and keeps its traceback.
"""


class AssaylineError(Exception):
    """Base of all errors that a user can mend."""


class SettingsError(AssaylineError):
    """A setting is unknown, out of bounds or contradicts another."""


class DataError(AssaylineError):
    """The source, a column, a row or a label is not what the settings say."""


class BaseModelError(AssaylineError):
    """The base model is missing, broken or does not fit the task type."""


class NotAtHandError(BaseModelError):
    """The base model is not on this machine, and cannot be fetched as it is named."""


class TrainingError(AssaylineError):
    """Training cannot go on."""


class ScoringError(AssaylineError):
    """A batch cannot be scored to its end."""


class StoreError(AssaylineError):
    """The object store is unreachable, refuses the keys or lacks an object."""


class MissingObjectError(StoreError):
    """The object store lacks an object."""


class StoreAwayError(StoreError):
    """The object store does not answer; what was asked may be asked again."""


class TrackingError(AssaylineError):
    """MLflow is unreachable or lacks a version."""


class TrackingAwayError(TrackingError):
    """MLflow does not answer; what was asked may be asked again."""


class StackError(AssaylineError):
    """A local server cannot start, or Prefect is unreachable."""


class IntegrityError(AssaylineError):
    """What is stored is not what was written, or cannot be told to be."""


class PromotionError(AssaylineError):
    """A promotion or a rollback cannot be carried out."""


class OvertakenError(PromotionError):
    """Another transition of the line was recorded at the same moment; this one moved nothing."""
