"""A written query stands in an epoch of training by its weight, and once in a held-out split."""

from hypothesis import given
from hypothesis import strategies as st

from genret_ops.synthesis.extractive import SourcePassage
from genret_ops.synthesis.written import RECORDED, WrittenGenerator, WrittenQuery, stands

PASSAGES = [SourcePassage(f"p{number}", frozenset({"a"}), "", "text", (), {}) for number in range(2)]


def written(weight: float, count: int = 400) -> list[WrittenQuery]:
    return [WrittenQuery(f"query {n}", RECORDED, (n % 2,), RECORDED, weight=weight) for n in range(count)]


def test_a_weight_is_the_share_of_epochs() -> None:
    generator = WrittenGenerator(PASSAGES, written(0.5), seed=1)
    epochs = [{query.text for query in generator.epoch(number, [0, 1], "train")} for number in range(8)]
    assert all(150 < len(texts) < 250 for texts in epochs)
    assert len(set.union(*epochs)) > 390, "every epoch is drawn anew"
    again = WrittenGenerator(PASSAGES, written(0.5), seed=1)
    assert [{query.text for query in again.epoch(number, [0, 1], "train")} for number in range(8)] == epochs
    other = WrittenGenerator(PASSAGES, written(0.5), seed=2)
    assert {query.text for query in other.epoch(0, [0, 1], "train")} != epochs[0]


def test_the_ends_are_always_and_never() -> None:
    for split in ("train", "hard"):
        assert len(WrittenGenerator(PASSAGES, written(1.0), 0).epoch(3, [0, 1], split)) == 400
        assert not WrittenGenerator(PASSAGES, written(0.0), 0).epoch(3, [0, 1], split)


def test_held_out_queries_are_not_weighed() -> None:
    generator = WrittenGenerator(PASSAGES, written(0.5), seed=1)
    for split in ("tuning", "gate"):
        assert len(generator.epoch(0, [0, 1], split)) == 400
        assert not generator.epoch(1, [0, 1], split)


@given(st.text(min_size=1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 9))
def test_a_heavier_query_stands_wherever_a_lighter_does(text: str, a: float, b: float, number: int) -> None:
    light, heavy = sorted((a, b))
    draws = [stands(WrittenQuery(text, RECORDED, (0,), RECORDED, weight=w), 0, number, "train") for w in (light, heavy)]
    assert draws[0] <= draws[1]
