"""A release keeps the prompt of its queries: it is searched with it, whatever the settings say later."""

import json
from pathlib import Path

import numpy as np
import pytest

from assets.lib import runner
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.retrieval.artifacts import SEARCH_FILE, read_search
from genret_ops.storage.home import make_home
from genret_ops.training.dataset import passage_encoder
from tests.conftest import TINY


def test_it_is_searched_with_its_prompt_and_updates_encode_with_theirs(
    tmp_path: Path, small_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pages").mkdir()
    for name, text in (("bees", "Smoke calms the bees."), ("ferry", "The ferry waits for high tide.")):
        (tmp_path / "pages" / f"{name}.md").write_text(f"# {name}\n\n{text}")
    path = tmp_path / "home"
    make_home(path)
    prompts = 'query_prompt = "query: "\npassage_prompt = "passage: "'
    (path / "genret.toml").write_text(f'{TINY}\n[model]\nencoder = "{small_encoder}"\n{prompts}\n')
    runner.ingest(Home(path), [str(tmp_path / "pages")])
    settings = Home(path).settings
    (path / "genret.toml").write_text(f'{TINY}\n[model]\nencoder = "{small_encoder}"\n')
    home = Home(path)
    release, retriever = open_release(home)
    assert retriever.model.encoder.prompt == read_search(release.folder).query_prompt == "query: "
    assert retriever.search("who calms bees", 1).hits[0].doc_id == "bees.md"

    (tmp_path / "pages" / "bees.md").write_text("# bees\n\nThey sleep in winter.")
    update = runner.ingest(home).release
    _, retriever = open_release(home, update.number)
    docid = next(
        d for d in np.flatnonzero(retriever.index.head.live) if "winter" in retriever.index.head.passages[d].text
    )
    expected = passage_encoder(settings).encode([retriever.index.head.encoder_text(int(docid))])
    assert passage_encoder(settings).prompt == "passage: "
    np.testing.assert_allclose(retriever.model.scorer.bodies(np.array([docid])), expected, atol=2e-3)


def test_a_release_of_before_has_none(small_home: Path, tmp_path: Path) -> None:
    stored = json.loads((Home(small_home).registry.release("champion").folder / SEARCH_FILE).read_text())
    assert stored.pop("query_prompt") == ""
    (tmp_path / SEARCH_FILE).write_text(json.dumps(stored))
    assert read_search(tmp_path).query_prompt == ""
