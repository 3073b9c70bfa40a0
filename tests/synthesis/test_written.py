"""A written query stands in the splits that it may, in an epoch of training by its weight, in a held-out split once."""

from hypothesis import given
from hypothesis import strategies as st

from genret_ops.synthesis.extractive import SourcePassage
from genret_ops.synthesis.recorded import RECORDED
from genret_ops.synthesis.written import WrittenGenerator, WrittenQuery, stands

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


def test_a_query_stands_in_its_splits_alone_and_with_all_its_passages() -> None:
    queries = [
        WrittenQuery("about one", "chunk", (0,), "pen", ("train", "tuning", "gate")),
        WrittenQuery("about both", "multihop", (0, 1), "pen", ("train", "tuning", "gate")),
        WrittenQuery("hard to find", "hard", (0,), "pen", ("hard",)),
    ]
    generator = WrittenGenerator(PASSAGES, queries, seed=0)

    def texts(members: list[int], split: str, number: int = 0) -> list[str]:
        rows = generator.epoch(number, members, split, hard=split == "hard")
        assert {row.split for row in rows} <= {split}
        return sorted(row.text for row in rows)

    assert texts([0, 1], "train") == texts([0, 1], "train", 3) == texts([0, 1], "gate") == ["about both", "about one"]
    assert texts([0], "train") == ["about one"], "a query joins no passage that is not asked about"
    assert texts([0, 1], "hard") == ["hard to find"]
    (both,) = [row for row in generator.epoch(0, [0, 1], "tuning") if row.kind == "multihop"]
    assert both.positives == ("p0", "p1")


def test_the_order_follows_seed_split_and_epoch() -> None:
    def order(seed: int, number: int, split: str = "train") -> list[str]:
        return [query.text for query in WrittenGenerator(PASSAGES, written(1.0), seed).epoch(number, [0, 1], split)]

    assert order(0, 0) == order(0, 0) and sorted(order(0, 0)) == sorted(order(0, 1))
    assert len({tuple(each) for each in (order(0, 0), order(0, 1), order(1, 0), order(0, 0, "hard"))}) == 4


@given(st.text(min_size=1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 9))
def test_a_heavier_query_stands_wherever_a_lighter_does(text: str, a: float, b: float, number: int) -> None:
    light, heavy = sorted((a, b))
    draws = [stands(WrittenQuery(text, RECORDED, (0,), RECORDED, weight=w), 0, number, "train") for w in (light, heavy)]
    assert draws[0] <= draws[1]
