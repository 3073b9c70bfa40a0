"""What values that were read from texts leave a search: the same as asking every document one by one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from genret_ops.corpus.view import CorpusView
from genret_ops.retrieval.index import Allowed, Index, build_lexical
from genret_ops.retrieval.query_plan import Clause
from genret_ops.settings import RetrievalSettings
from tests.support.small_head import head_of

described = st.tuples(st.integers(0, 3), st.sampled_from(["", "Ann", "Bo"]), st.sampled_from([0, 70, 95]))
"""The passage of a document, its author, and how sure that is: 0, if its source says so."""
corpora = st.lists(described, min_size=1, max_size=7)


def head_with(corpus: list[tuple[int, str, int]]) -> CorpusView:
    """A head in which documents share passages and their author is given, extracted, or missing."""
    head = head_of({f"d{number}": ("", {}, [[f"Passage {each[0]}."]]) for number, each in enumerate(corpus)})
    documents = {
        doc_id: replace(
            document,
            metadata={"author": author} if author else {},
            extracted={"author": confidence} if author and confidence else {},
        )
        for (doc_id, document), (_, author, confidence) in zip(head.documents.items(), corpus, strict=True)
    }
    return CorpusView(head.passages, head.labels, head.occurrences, documents)


def fitting(index: Index, allowed: Allowed) -> list[bool]:
    """Whether a document of each docid fits, asked one by one."""
    head = index.head
    return [
        any(allowed.fits(head.document(doc_id)) for doc_id in head.documents_of(docid)) for docid in range(len(head))
    ]


@given(corpora)
def test_a_constraint_leaves_what_may_have_the_value_and_a_token_what_surely_has_it(
    corpus: list[tuple[int, str, int]],
) -> None:
    head = head_with(corpus)
    index = Index(head, RetrievalSettings(), build_lexical(head))
    everything = index.filtered({})
    limited = index.filtered({"author": "Ann"}, access={"author": "Ann"})
    assert limited.mask.tolist() == fitting(index, limited)
    filtered = index.filtered({"author": "Ann"})
    assert filtered.mask.tolist() == fitting(index, filtered) and not (limited.mask & ~filtered.mask).any()
    clause = Clause("what Ann says", {"author": "Ann"})
    for before in (everything, limited, filtered):
        allowed = index.allowed(clause, before)
        assert allowed.mask.tolist() == (before.mask & fitting(index, allowed)).tolist()
        assert not allowed.relaxed or allowed.mask.tolist() == before.mask.tolist()
