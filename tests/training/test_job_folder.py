"""A training job's folder is whole or made anew, also where a kill struck while it was removed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from genret_ops.modeling.embeddings import Rows
from genret_ops.settings import Settings
from genret_ops.training.dataset import prepare_job
from genret_ops.training.job import TrainingJob


def prepared(folder: Path, seed: int) -> TrainingJob:
    rows = Rows(np.zeros((2, 4), np.float16), np.array([0, 1, 2]))
    settings, documents = Settings().with_training(seed=seed), csr_array(np.eye(2, dtype=np.int32))
    return prepare_job(folder, settings, rows, [], {}, np.zeros((2, 1), np.int64), documents)


def test_a_folder_that_was_removed_by_half_is_not_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "job"
    (prepared(folder, 0).folder / "learned").touch()
    prepared(folder, 0)
    assert (folder / "learned").exists(), "the same inputs: a killed training goes on"

    def killed(folder: Path) -> None:
        (folder / "queries.arrow").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", killed)
        prepared(folder, 1)
    assert prepared(folder, 0).table("queries").num_rows == 0
    assert not (folder / "learned").exists()
