"""The identifiers of a corpus head: what a language model writes for each of its passages.

They belong to a generation of models: an update keeps those of the release that it grows from, and so does a patch. A
training from genesis begins anew.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.corpus.view import CorpusView
from genret_ops.identifiers.codes import Codebooks
from genret_ops.identifiers.codes import assign as assign_codes
from genret_ops.identifiers.docids import FORGOTTEN
from genret_ops.identifiers.keywords import assign as assign_keywords
from genret_ops.identifiers.slugs import keywords
from genret_ops.identifiers.written import SCHEMA, forget
from genret_ops.records import SyntheticQuery
from genret_ops.synthesis.queries import withheld_sentences

Make = Callable[[CorpusView, pa.Table, Sequence[int], str], pa.Table]
"""Makes the identifiers of docids of a head, beside those that are there, under the name of a snapshot."""
_SPARE = 5
"""Further keywords of a passage, which tell it from others with the same."""


def identifiers_of(head: CorpusView, snapshot: str, make: Make, existing: pa.Table | None = None) -> pa.Table:
    """The identifiers of every live docid of a head; those that are there stay, those of erased passages are blanked.

    Args:
        head: the corpus head.
        snapshot: its name, which stands beside new identifiers.
        make: makes new ones.
        existing: the identifiers so far, under `written.SCHEMA`; those of a newer head may be among them.

    Returns:
        The rows of all docids of the head, under `written.SCHEMA`.
    """
    rows = SCHEMA.empty_table() if existing is None else existing
    rows = rows.filter(pc.less(rows["docid"], len(head)))
    known = set(rows["docid"].to_pylist())
    erased = [docid for docid in known if head.passages[docid].passage_id.startswith(FORGOTTEN)]
    docids = [docid for docid in np.flatnonzero(head.live).tolist() if docid not in known]
    kept = forget(rows, erased) if erased else rows
    return pa.concat_tables([kept, make(head, kept, docids, snapshot)]).combine_chunks()


def keyword_identifiers(tokenizer: Any, listed: Mapping[str, Sequence[str]] | None = None) -> Make:
    """Makes identifiers of keywords.

    Args:
        tokenizer: the tokenizer of the language model.
        listed: keywords by passage id, from a language model; the others get extractive ones.
    """

    def tokenize(text: str) -> list[int]:
        tokens = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return [token for token in tokens if token != tokenizer.eos_token_id]  # it ends an identifier

    def make(head: CorpusView, existing: pa.Table, docids: Sequence[int], snapshot: str) -> pa.Table:
        passages = [head.passages[docid] for docid in docids]
        titles = [head.first_document(docid).title for docid in docids]
        extractive = keywords([passage.text for passage in passages], titles, spare=_SPARE)
        named = [
            (docid, (listed or {}).get(passage.passage_id) or words)
            for docid, passage, words in zip(docids, passages, extractive, strict=True)
        ]
        return assign_keywords(existing, named, snapshot, tokenize)

    return make


def code_identifiers(codebooks: Codebooks, vectors: Callable[[Sequence[int]], np.ndarray]) -> Make:
    """Makes identifiers of codes.

    Args:
        codebooks: the codebooks of the generation.
        vectors: gives the encodings of docids, shape (docids, dimension).
    """

    def make(head: CorpusView, existing: pa.Table, docids: Sequence[int], snapshot: str) -> pa.Table:
        return assign_codes(existing, docids, vectors(docids), snapshot, codebooks)

    return make


def memorised_texts(head: CorpusView, queries: Sequence[SyntheticQuery]) -> list[str]:
    """What a language model memorises of each passage.

    Args:
        head: the corpus head.
        queries: all queries of the training. What tuning and gate withhold of a passage, since held-out ones were made
            from it, is not memorised.

    Returns:
        A title and the text, in docid order; "" of a passage that left.
    """
    for split in ("tuning", "gate"):
        head = head.without(withheld_sentences(head, [query for query in queries if query.split == split]))
    return [
        f"{head.first_document(docid).title}\n{passage.text}" if head.live[docid] else ""
        for docid, passage in enumerate(head.passages)
    ]
