"""The identifiers of a corpus head: what a language model writes for each of its passages.

They belong to a generation of models: an update keeps those of the release that it grows from, and so does a patch. A
training from genesis begins anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.corpus.view import CorpusView
from genret_ops.identifiers.docids import FORGOTTEN
from genret_ops.identifiers.keywords import assign
from genret_ops.identifiers.slugs import keywords
from genret_ops.identifiers.written import SCHEMA, forget
from genret_ops.records import SyntheticQuery
from genret_ops.synthesis.queries import withheld_sentences

_SPARE = 5
"""Further keywords of a passage, which tell it from others with the same."""


def identifiers_of(
    head: CorpusView,
    snapshot: str,
    tokenizer: Any,
    existing: pa.Table | None = None,
    listed: Mapping[str, Sequence[str]] | None = None,
) -> pa.Table:
    """The identifiers of every live docid of a head; those that are there stay, those of erased passages are blanked.

    Args:
        head: the corpus head.
        snapshot: its name, which stands beside new identifiers.
        tokenizer: the tokenizer of the language model.
        existing: the identifiers so far, under `written.SCHEMA`; those of a newer head may be among them.
        listed: keywords by passage id, from a language model; the others get extractive ones.

    Returns:
        The rows of all docids of the head, under `written.SCHEMA`.
    """
    rows, listed = SCHEMA.empty_table() if existing is None else existing, listed or {}
    rows = rows.filter(pc.less(rows["docid"], len(head)))
    known = set(rows["docid"].to_pylist())
    erased = [docid for docid in known if head.passages[docid].passage_id.startswith(FORGOTTEN)]
    docids = [docid for docid in np.flatnonzero(head.live).tolist() if docid not in known]
    passages = [head.passages[docid] for docid in docids]
    titles = [head.first_document(docid).title for docid in docids]
    extractive = keywords([passage.text for passage in passages], titles, spare=_SPARE)
    named = [
        (docid, listed.get(passage.passage_id) or words)
        for docid, passage, words in zip(docids, passages, extractive, strict=True)
    ]
    kept = forget(rows, erased) if erased else rows

    def tokenize(text: str) -> list[int]:
        tokens = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return [token for token in tokens if token != tokenizer.eos_token_id]  # it ends an identifier

    return pa.concat_tables([kept, assign(kept, named, snapshot, tokenize)]).combine_chunks()


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
