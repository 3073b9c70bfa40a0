"""The gate asks what a user would take instead: systems without training, on the same questions."""

from pathlib import Path

from genret_ops.evaluation.model_metrics import Question
from genret_ops.promotion.alternatives import alternatives
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release


def test_each_of_them_answers_every_question(home_copy: Path) -> None:
    home = Home(home_copy)
    release, retriever = open_release(home)
    index = retriever.index
    right = frozenset(docid for docid in range(len(index.head)) if "coffee.md" in index.head.documents_of(docid))
    probes = [Question("descale the espresso machine", right, "coffee.md"), Question("zeppelin", frozenset({0}), "x")]
    ranks = alternatives(home.path, index, release.manifest().trained_under(), probes)
    names = {"bm25_metadata", "bm25_rm3", "dense", "fused_untrained", "lancedb_hybrid", "hybrid_untrained"}
    assert ranks.keys() == names
    assert all(of_system.shape == (2,) and of_system[0] == 1.0 for of_system in ranks.values())


def test_without_questions_there_is_nothing_to_compare(home_copy: Path) -> None:
    home = Home(home_copy)
    release, retriever = open_release(home)
    assert alternatives(home.path, retriever.index, release.manifest().trained_under(), []) == {}
