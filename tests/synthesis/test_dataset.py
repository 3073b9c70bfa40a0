"""A training set goes into a folder that `datasets` reads, and comes back as it was; what is none is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from genret_ops.errors import GenretError
from genret_ops.records import SyntheticQuery
from genret_ops.synthesis.dataset import SCHEMA, read_rows, save_rows
from genret_ops.synthesis.recorded import read_recorded

ROW: dict[str, Any] = {
    "query": "who calms the bees",
    "kind": "constraint",
    "positive_ids": ["smoke", "hive"],
    "positive_texts": ["Smoke.", "A hive."],
    "document_ids": ["bees.md"],
    "generator": "pen",
    "constraints": '{"team":"Red"}',
    "withheld": [],
    "seed": 3,
}


def test_rows_come_back_as_queries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_rows(
        tmp_path, {"train": [ROW, {**ROW, "kind": "chunk"}], "hard": [], "gate": [{**ROW, "withheld": ["Smoke."]}]}
    )
    assert capsys.readouterr() == ("", ""), "the progress bar of the library stays away"
    query = SyntheticQuery(
        "who calms the bees", "constraint", ("smoke", "hive"), "train", "pen", 3, (), {"team": "Red"}
    )
    train, chunk, gate = read_rows(tmp_path)
    assert train == query and (chunk.kind, gate.split, gate.withheld) == ("chunk", "gate", ("Smoke.",))
    assert read_recorded(tmp_path).rows == (train, chunk, gate)


def test_the_library_reads_the_folder(tmp_path: Path) -> None:
    import datasets

    save_rows(tmp_path, {"train": [ROW], "tuning": [ROW]})
    loaded = datasets.load_from_disk(str(tmp_path))
    assert set(loaded) == {"train", "tuning"} and loaded["train"][0] == ROW
    assert loaded["train"].column_names == SCHEMA.names


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"validation": [ROW]}, "a split 'validation': name splits train, hard, tuning, gate"),
        ({"train": [ROW, {**ROW, "positive_ids": None}]}, "the split 'train' of .* has an empty 'positive_ids'"),
        ({"train": [{**ROW, "kind": "poem"}]}, "a query of kind 'poem': kinds are chunk, "),
        ({"train": [{**ROW, "constraints": "{"}]}, "constraints '{', which are no JSON object"),
        ({"train": [{**ROW, "constraints": "[]"}]}, r"constraints '\[\]', which are no JSON object"),
    ],
)
def test_what_a_build_does_not_know_is_refused(tmp_path: Path, rows: dict[str, Any], message: str) -> None:
    save_rows(tmp_path, rows)
    with pytest.raises(GenretError, match=message):
        list(read_rows(tmp_path))


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        GenretError, match="holds no data set that can be read: name a folder that `genret dataset export`"
    ):
        read_recorded(tmp_path)
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))
    with pytest.raises(GenretError, match="holds no data set"):
        read_recorded(tmp_path)


def test_other_columns_and_no_splits_are_told_apart(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    table = datasets.Dataset.from_dict({"query": ["who"], "note": ["mine"]})
    datasets.DatasetDict({"train": table}).save_to_disk(str(tmp_path / "few"))
    table.save_to_disk(str(tmp_path / "flat"))
    full = datasets.Dataset.from_list([{**ROW, "note": "mine"}])
    datasets.DatasetDict({"train": full}).save_to_disk(str(tmp_path / "more"))
    with pytest.raises(GenretError, match="has no column 'kind'"):
        read_recorded(tmp_path / "few")
    with pytest.raises(GenretError, match="has no splits: save a DatasetDict with train, hard, tuning, gate"):
        read_recorded(tmp_path / "flat")
    assert [query.text for query in read_recorded(tmp_path / "more").rows] == ["who calms the bees"]
