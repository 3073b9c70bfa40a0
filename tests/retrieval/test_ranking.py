"""Ranking: filters are guarantees, relaxing is reported, clauses share the list, and lexical means lexical."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from genret_ops.errors import GenretError
from genret_ops.modeling.docid_head import RowScorer, RowScores
from genret_ops.modeling.embeddings import Rows, encode_rows
from genret_ops.records import MODES
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.features import FEATURES, LEXICAL
from genret_ops.retrieval.fusion import Fusion
from genret_ops.retrieval.index import Allowed, Index, build_lexical
from genret_ops.retrieval.labelled import LabelledQuestions
from genret_ops.retrieval.neighbours import NeighbourGraph
from genret_ops.retrieval.query_plan import Clause, QueryPlan
from genret_ops.retrieval.ranking import ClauseCandidates, Ranked, candidates, candidates_of_plans, merge
from genret_ops.retrieval.retriever import Answer, Retriever
from genret_ops.settings import RetrievalSettings
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.training.dataset import passage_inputs
from tests.support.small_head import head_of, minilm

THINGS = ("yacht", "battery", "football", "garden", "scooter", "honey", "lamp", "printer")
SOURCES = ("Fortune", "The Age", "TechCrunch", "")
TEAMS = ("Red", "Blue")
DOCUMENTS = {
    f"{thing}-{number}": (
        f"About a {thing}",
        {
            "team": TEAMS[number % 2],
            "published": f"2023-10-0{1 + number % 3}",
            **({"source": SOURCES[(number + place) % 4]} if SOURCES[(number + place) % 4] else {}),
        },
        [
            [f"The {thing} of {number} was seen in Lisbon.", f"Nobody bought the {thing}, it said."],
            [f"A second part about {thing} {number}."],
        ],
    )
    for place, thing in enumerate(THINGS)
    for number in range(3)
}


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    """A retriever over 48 passages, one of them gone; the pool is so small that rankers differ in what they propose."""
    head = head_of(DOCUMENTS, gone=["yacht yacht yacht"])
    index = Index(head, RetrievalSettings(pool=10), build_lexical(head))
    cache = EncodingCache(tmp_path_factory.mktemp("home"), "e" * 16, 384)
    rows = encode_rows(minilm(), cache, passage_inputs(head), 4)[0]
    graph = NeighbourGraph.build(rows.bodies(), head.live)
    weights = {name: 1.0 + place / 7 for place, name in enumerate(FEATURES)}
    fusion, lexical = Fusion(weights), Fusion({name: weights[name] for name in LEXICAL})
    model = Model(
        minilm(),
        RowScorer(rows, 20.0),
        graph,
        LabelledQuestions.none(),
        fusion,
        lexical,
        "hybrid",
        frozenset(range(40)),
    )
    return Retriever(index, model)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.sampled_from([{"team": "Red"}, {"source": "Fortune"}, {"published": "2023-10-01"}]))
def test_what_a_filter_hides_moves_nothing_that_is_seen(
    retriever: Retriever, seed: int, filters: Mapping[str, str]
) -> None:
    """Feedback and neighbours come from the allowed set alone: whatever hidden passages say, hits and scores stay."""
    index, model = retriever.index, retriever.model
    hidden = np.flatnonzero(~index.filtered(filters).mask)
    rows, vectors = model.scorer.rows, np.array(model.scorer.rows.vectors)
    for docid in hidden:
        owned = slice(rows.starts[docid], rows.starts[docid + 1])
        noise = np.random.default_rng(seed + int(docid)).standard_normal(vectors[owned].shape)
        vectors[owned] = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    moved = Rows(vectors, rows.starts)
    graph = NeighbourGraph.build(moved.bodies(), index.head.live)
    other = Retriever(index, replace(model, scorer=RowScorer(moved, model.scorer.scale), neighbours=graph))
    for query in QUERIES[:3]:
        ours, theirs = (one.search(query, 20, "hybrid", filters).hits for one in (retriever, other))
        assert [hit.docid for hit in ours] == [hit.docid for hit in theirs]
        np.testing.assert_allclose([hit.score for hit in ours], [hit.score for hit in theirs], rtol=1e-3, atol=1e-4)


def proposed(retriever: Retriever, query: str, logits: np.ndarray) -> list[ClauseCandidates]:
    """Candidates of a query with any logits in place of the model's; all live docids are allowed."""
    index, plan = retriever.index, retriever.index.planner.plan(query)
    rows = RowScores(*[np.tile(logits, (len(plan.texts), 1))] * 2)
    vectors = minilm().encode(plan.texts)
    return candidates(index, retriever.model, plan, index.scores(plan.texts, rows), vectors, index.filtered({}), 10)


def test_a_clause_that_asks_for_a_value_gets_no_feedback_and_no_neighbours(retriever: Retriever) -> None:
    def columns(query: str, *names: str) -> list[float]:
        """The largest value of each of these features over the candidates of all clauses."""
        plans = [retriever.index.planner.plan(query)]
        vectors = minilm().encode(plans[0].texts)
        (clauses,) = candidates_of_plans(retriever.index, retriever.model, plans, vectors, 10)
        matrix = np.concatenate([clause.matrix for clause in clauses])
        return [float(np.abs(matrix[:, FEATURES.index(name)]).max()) for name in names]

    of_others = "feedback", "neighbours_above", "neighbours_below"
    assert min(columns(QUERIES[0], "body_whole", *of_others)) > 0
    assert columns(QUERIES[1], "body_whole")[0] > 0 and columns(QUERIES[1], *of_others) == [0] * 3


@pytest.mark.parametrize(
    ("changed", "moved"),
    [
        ("coverage", {"feedback", "neighbours"}),
        ("feedback", {"neighbours"}),
        ("neighbours_above", set()),
    ],
)
def test_each_step_reads_the_list_of_the_steps_before(retriever: Retriever, changed: str, moved: set[str]) -> None:
    model = retriever.model
    louder = replace(model, fusion=Fusion({**model.fusion.weights, changed: 50.0}))
    plans = [retriever.index.planner.plan(QUERIES[0])]
    vectors = minilm().encode(plans[0].texts)
    (before,), (after,) = (
        next(candidates_of_plans(retriever.index, each, plans, vectors, 10)) for each in (model, louder)
    )
    np.testing.assert_array_equal(before.docids, after.docids)
    differing = (before.matrix != after.matrix).any(axis=0)
    assert {name.split("_")[0] for name, differs in zip(FEATURES, differing, strict=True) if differs} == moved


def test_words_near_each_other_give_a_passage_proximity(retriever: Retriever) -> None:
    """Both documents have both words of the query; in one of them they stand side by side."""
    near = "The honey lamp stood on a shelf, it said."
    apart = "A lamp stood on a shelf. Nobody saw at any time, in any of the many rooms of that house, the honey."
    others = {f"other-{number}": ("", {}, [[f"The {thing} was seen."]]) for number, thing in enumerate(THINGS)}
    head = head_of({"near": ("", {}, [[near]]), "apart": ("", {}, [[apart]])} | others)
    index = Index(head, RetrievalSettings(pool=20), build_lexical(head))
    scores = index.scores(["honey lamp"] * 2, None)
    plan = QueryPlan("honey lamp", "honey lamp", (Clause("honey lamp"),))
    (clause,) = candidates(index, retriever.model, plan, scores, None, index.filtered({}), 20)
    column = clause.matrix[:, FEATURES.index("proximity")]
    documents = [head.first_document(docid).doc_id for docid in clause.docids.tolist()]
    assert {document for document, value in zip(documents, column, strict=True) if value > 0} == {"near"}


@pytest.mark.parametrize("factor", [0.3, 4.0])
def test_the_scale_of_a_fusion_orders_no_clause_anew(retriever: Retriever, factor: float) -> None:
    model = retriever.model
    scaled = Fusion({name: factor * weight for name, weight in model.fusion.weights.items()})
    other = Retriever(retriever.index, replace(model, fusion=scaled))
    for query in (QUERIES[0], EVERYWHERE):
        first, second = (each.search(query, 20, "hybrid").hits for each in (retriever, other))
        assert [hit.docid for hit in first] == [hit.docid for hit in second]
        assert [hit.raised_by for hit in first] == [hit.raised_by for hit in second]


def test_neighbours_above_and_below_count_apart(retriever: Retriever) -> None:
    plans = [retriever.index.planner.plan(QUERIES[0])]
    (clauses,) = candidates_of_plans(retriever.index, retriever.model, plans, minilm().encode(plans[0].texts), 10)
    above, below = (clauses[0].matrix[:, FEATURES.index(f"neighbours_{side}")] for side in ("above", "below"))
    assert (above >= 0).all() and (below <= 0).all() and not (above * below).any()
    assert (above > 0).any() and (below < 0).any()
    np.testing.assert_array_equal(above > 0, clauses[0].raised_by >= 0)


@settings(max_examples=15)
@given(st.sampled_from([{"team": "Red"}, {"source": "Fortune"}]), st.sets(st.integers(0, 47), min_size=1, max_size=6))
def test_a_label_raises_nothing_that_a_filter_hides(
    retriever: Retriever, filters: Mapping[str, str], labelled: set[int]
) -> None:
    index, query = retriever.index, "zeppelin over the harbour"
    seen = labelled & set(np.flatnonzero(index.filtered(filters).mask).tolist())

    def ranked(docids: set[int]) -> list[tuple[int, float]]:
        questions = LabelledQuestions.make("", {query: sorted(docids)} if docids else {}, minilm().encode)
        hits = Retriever(index, replace(retriever.model, labelled=questions)).search(query, 50, "hybrid", filters).hits
        return [(hit.docid, round(hit.score, 5)) for hit in hits]

    assert ranked(labelled) == ranked(seen)
    assert not seen or ranked(labelled) != ranked(set())


def test_a_question_that_measures_a_model_does_not_see_its_own_label(retriever: Retriever) -> None:
    query, other = "zeppelin over the harbour", "zeppelins above the harbour"
    questions = LabelledQuestions.make("", {query: [7]}, minilm().encode)
    model = replace(retriever.model, labelled=questions)
    plans = [retriever.index.planner.plan(text) for text in (query, other)]
    vectors = minilm().encode([text for plan in plans for text in plan.texts])
    column = FEATURES.index("labelled")
    same, another = (
        max(clause.matrix[:, column].max() for clause in clauses)
        for clauses in candidates_of_plans(retriever.index, model, plans, vectors, 10)
    )
    assert same == 0 < another
    raised = [
        hit.docid for hit in Retriever(retriever.index, model).search(query, 50).hits if "labelled" in hit.found_by
    ]
    assert raised == [7], "whoever asks it sees the label"


EVERYWHERE = "a yacht that was seen in Lisbon"
"""More passages have one pair of its words than words propose, and few have another."""
QUERIES = (
    "who saw the yacht in Lisbon",
    "Who saw a lamp, according to Fortune, and a printer, as reported by The Age?",
    "what does the TechCrunch article say about honey on October 2, 2023",
    "Fortune favours football",
    "zeppelin",
)
values = {
    "team": st.sampled_from([*TEAMS, "red", "Green", "", "Red\0", "\0"]),
    "source": st.sampled_from([*SOURCES, "Wired"]),
    "published": st.sampled_from(["2023-10-01", "2023-10-03", "2023-10"]),
}


@settings(max_examples=25)
@given(st.sampled_from(QUERIES), st.fixed_dictionaries({}, optional=values), st.sampled_from(MODES), st.integers(1, 60))
@example("zeppelin", {"team": "Red\0"}, "dense", 1)  # NumPy's own strings end before their last NULs
def test_filters_are_guarantees_in_every_mode(
    retriever: Retriever, query: str, filters: Mapping[str, str], mode: str, k: int
) -> None:
    answer = retriever.search(query, k, mode, filters)
    wanted = {doc_id for doc_id, (_, attributes, _) in DOCUMENTS.items() if filters.items() <= attributes.items()}
    assert all(filters.items() <= hit.metadata.items() for hit in answer.hits)
    assert {hit.doc_id for hit in answer.hits} <= wanted
    if mode == "lexical":  # no word in common, no hit
        assert wanted or not answer.hits
    else:
        assert bool(answer.hits) == bool(wanted)
    assert len(answer.hits) == len({hit.docid for hit in answer.hits}) <= k
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)


@pytest.mark.parametrize("mode", MODES)
def test_a_passage_that_left_is_never_found(retriever: Retriever, mode: str) -> None:
    hits = retriever.search("yacht yacht yacht", 60, mode).hits
    assert hits and all(hit.text for hit in hits)


@pytest.mark.parametrize("mode", ["hybrid", "generative", "lexical"])
def test_a_detected_constraint_is_honoured_where_it_can_be(retriever: Retriever, mode: str) -> None:
    hits = retriever.search("Who saw the yacht, according to Fortune?", 60, mode).hits
    assert hits and {hit.metadata["source"] for hit in hits} == {"Fortune"}
    assert all(hit.relaxed == () for hit in hits)


@pytest.mark.parametrize("mode", ["hybrid", "generative", "lexical"])
def test_a_constraint_that_the_filters_rule_out_is_relaxed_and_reported(retriever: Retriever, mode: str) -> None:
    hits = retriever.search("Who saw the yacht, according to Fortune?", 5, mode, {"source": "The Age"}).hits
    assert hits and all(hit.relaxed == ("source=Fortune",) for hit in hits)
    assert {hit.metadata["source"] for hit in hits} == {"The Age"}


def test_each_named_source_gets_its_turn(retriever: Retriever) -> None:
    for mode in ("hybrid", "generative", "lexical"):
        hits = retriever.search(QUERIES[1], 4, mode).hits
        assert {hit.metadata["source"] for hit in hits} == {"Fortune", "The Age"}


logits_of_docids = st.lists(st.floats(-60, 60, width=32), min_size=49, max_size=49).map(lambda row: np.array(row, "f4"))


@settings(max_examples=25)
@given(st.sampled_from([*QUERIES, EVERYWHERE]), logits_of_docids, logits_of_docids)
def test_a_lexical_list_does_not_depend_on_the_model_at_all(
    retriever: Retriever, query: str, first: np.ndarray, second: np.ndarray
) -> None:
    lists = [retriever.ranked(proposed(retriever, query, logits), "lexical", 30) for logits in (first, second)]
    assert lists[0] == lists[1], "docids, scores or their accounts differ"
    assert not any("generative" in name for item in lists[0] for name in item.found_by)


@settings(max_examples=20)
@given(st.sampled_from(QUERIES), logits_of_docids)
def test_a_candidate_that_only_the_model_proposed_is_no_lexical_one(
    retriever: Retriever, query: str, logits: np.ndarray
) -> None:
    for clause in proposed(retriever, query, logits):
        plain = clause.without_model()
        assert set(plain.docids) == set(clause.docids[clause.by_words]) and plain.by_words.all()
    listed = {item.docid for item in retriever.ranked(proposed(retriever, query, logits), "lexical", 99)}
    by_words = {docid for clause in proposed(retriever, query, logits) for docid in clause.docids[clause.by_words]}
    assert listed == by_words


def clause_of(docids: Sequence[int], relaxed: tuple[str, ...] = ()) -> ClauseCandidates:
    matrix = np.zeros((len(docids), len(FEATURES)), dtype=np.float32)
    everywhere = np.ones(len(docids), dtype=bool)
    nobody, allowed = np.full(len(docids), -1), Allowed(everywhere, relaxed=relaxed)
    return ClauseCandidates(np.array(docids), matrix, np.zeros(len(docids)), everywhere, everywhere, nobody, allowed)


def test_ties_go_by_docid() -> None:
    ranked = merge([clause_of([7, 3, 5])], [np.array([1.0, 1.0, 2.0])], 10)
    assert [item.docid for item in ranked] == [5, 3, 7]
    assert [item.docid for item in merge([clause_of([7, 3, 5])], [np.zeros(3)], 2)] == [3, 5]
    ranked = merge([clause_of([7, 3]), clause_of([9, 1])], [np.zeros(2), np.zeros(2)], 3)
    assert [item.docid for item in ranked] == [1, 3, 7]
    assert [item.score for item in ranked] == pytest.approx([0.5] * 3)


def test_clauses_are_merged_by_probability_and_a_docid_of_both_keeps_its_better_place() -> None:
    """Softmax of (ln 3, 0) is (3/4, 1/4), of (ln 2, 0) it is (2/3, 1/3): those are compared, not raw scores."""
    first, second = clause_of([1, 2]), clause_of([2, 3], ("source=Fortune",))
    ranked = merge([first, second], [np.log([3.0, 1.0]), 100 + np.log([2.0, 1.0])], 10)
    assert [(item.docid, item.allowed.relaxed) for item in ranked] == [
        (1, ()),
        (2, ("source=Fortune",)),
        (3, ("source=Fortune",)),
    ]
    assert [item.score for item in ranked] == pytest.approx([3 / 4, 2 / 3, 1 / 3])


def test_nothing_to_rank_gives_no_hit() -> None:
    assert merge([], [], 10) == []


def test_a_hit_says_how_it_was_found_and_whether_it_was_learned(retriever: Retriever) -> None:
    answer: Answer = retriever.search("who saw the printer in Lisbon", 60)
    assert isinstance(answer.plan, QueryPlan) and answer.mode == "hybrid"
    assert answer.hits[0].title == "About a printer" and answer.hits[0].found_by
    assert {hit.state for hit in answer.hits} == {"learned", "fresh"}
    assert all((hit.state == "learned") == (hit.docid < 40) for hit in answer.hits)
    assert answer.hits[0].label == f"label-{answer.hits[0].docid}"
    assert 0 < answer.seconds["encoder"] <= answer.seconds["total"]


def test_dense_ranks_by_the_cosine_of_bodies(retriever: Retriever) -> None:
    query = "who saw the printer in Lisbon"
    similar = retriever.model.scorer.scores(minilm().encode([query])).bodies[0]
    expected = [docid for docid in np.argsort(-similar, kind="stable") if docid != 48][:5]
    hits = retriever.search(query, 5, "dense").hits
    assert [hit.docid for hit in hits] == expected
    assert [hit.score for hit in hits] == pytest.approx(similar[expected].tolist())
    assert [hit.found_by["dense"][0] for hit in hits] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": " \n"}, "query is empty"),
        ({"query": "yacht", "k": 0}, "at least one hit"),
        ({"query": "yacht", "mode": "magic"}, "no mode 'magic': choose hybrid, generative, lexical or dense"),
        ({"query": "yacht", "filters": {"colour": "red"}}, "no document has an attribute 'colour'.*team"),
    ],
)
def test_what_cannot_be_answered_is_refused(retriever: Retriever, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(GenretError, match=message):
        retriever.search(**arguments)  # type: ignore[arg-type]


def test_the_same_query_gives_the_same_answer(retriever: Retriever) -> None:
    first, second = (retriever.search(QUERIES[1], 20).hits for _ in range(2))
    assert first == second
    assert all(
        isinstance(item, Ranked) for item in retriever.ranked(proposed(retriever, "lamp", np.zeros(49)), "hybrid", 3)
    )


def test_no_plans_have_no_candidates(retriever: Retriever) -> None:
    assert list(candidates_of_plans(retriever.index, retriever.model, [], minilm().encode([]), 10)) == []


def test_candidates_of_many_plans_are_those_of_each_alone(retriever: Retriever) -> None:
    index, model = retriever.index, retriever.model
    plans = [index.planner.plan(query) for query in QUERIES]
    vectors = minilm().encode([text for plan in plans for text in plan.texts])
    together = list(candidates_of_plans(index, model, plans, vectors, index.pool))
    assert len(together) == len(plans)
    for plan, clauses in zip(plans, together, strict=True):
        assert len(clauses) == len(plan.clauses)
        texts = minilm().encode(plan.texts)
        scores = index.scores(plan.texts, model.scorer.scores(texts))
        alone = candidates(index, model, plan, scores, texts, index.filtered({}), index.pool)
        for ours, theirs in zip(clauses, alone, strict=True):
            assert ours.docids.tolist() == theirs.docids.tolist() and ours.allowed.relaxed == theirs.allowed.relaxed
            np.testing.assert_allclose(ours.matrix, theirs.matrix, atol=1e-4)
