"""A compressed model gives outputs alone: it is explained by masking words, and by nothing else."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu.folder_store import FolderStore
from infra.errors import SettingsError
from tasks.explanation.methods import attribute
from tasks.explanation.network import load_network
from tasks.records.training import Weights
from tasks.task_types.limits import TokenLimits
from tests.unit.compression.compressed_models import MAX_LENGTH


def test_occlusion_of_a_compressed_model_is_that_of_the_model_before(
    classifier: Path, exported: Weights, folder_store: FolderStore, tmp_path: Path
) -> None:
    folder = folder_store.get_folder(exported.artifact, tmp_path / "model")
    found = []
    for one in (folder, classifier):
        network = load_network(one, "classification", TokenLimits(MAX_LENGTH))
        encoded = network.encode(["the match was late", "shares fell said the bank"])
        targets = np.array([0, 1])
        found.append(attribute(network, encoded, targets, "occlusion"))
        if one == folder:
            assert not network.has_gradients
            with pytest.raises(SettingsError, match="occlusion is a method for it"):
                attribute(network, encoded, targets, "integrated_gradients")
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours.values, theirs.values, atol=1e-4)
