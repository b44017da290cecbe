"""Which reference model a trained model was held against, told by a file in its folder.

So whoever examines it, now or when it is the champion, asks the same reference, by its digests.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from infra.base_models import Fingerprint, locate_pinned
from infra.errors import BaseModelError

REFERENCE_FILE: Final = "reference_model.json"


@dataclass(frozen=True)
class ReferenceModel:
    """A reference model, and what a reward is measured in.

    Attributes:
        reference: its address, as of a base model.
        sha256: digest over its configuration and weights.
        tokenizer_sha256: over the files that shape tokenization alone.
        beta: factor on the logarithm of the probabilities' ratio.

    """

    reference: str
    revision: str | None
    sha256: str
    tokenizer_sha256: str
    beta: float

    def write(self, folder: Path) -> None:
        """Put the file into the folder of a trained model."""
        content = json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"
        (folder / REFERENCE_FILE).write_text(content, encoding="utf-8")

    @classmethod
    def of(cls, folder: Path) -> "ReferenceModel":
        """Read the file of a trained model.

        Raises:
            BaseModelError: there is none, or not one of this form.

        """
        try:
            content = json.loads((folder / REFERENCE_FILE).read_text(encoding="utf-8"))
            return cls(**content)
        except (OSError, ValueError, TypeError) as error:
            raise BaseModelError(
                f"the model in {folder} does not say in {REFERENCE_FILE} which reference model it "
                f"was tuned against ({error}), so that it has no rewards; train it anew"
            ) from error

    def locate(self) -> Path:
        """The local folder of the reference model.

        Raises:
            BaseModelError: it is not there, or no longer the one that was trained against.

        """
        pinned = Fingerprint(self.sha256, self.tokenizer_sha256)
        return locate_pinned(self.reference, self.revision, pinned)
