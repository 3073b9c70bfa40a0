"""How local an edit stays: the share of new passages beside the share of new sentences in a folder that changes.

    python benchmarks/passage_stability.py BASE_FOLDER DELTAS_FOLDER

`DELTAS_FOLDER/DATE/` holds the files that were added or changed by a date, and `removed.txt` names those that were
removed.
"""

import sys
from pathlib import Path

from genret_ops.corpus.chunking import cut_document, sentences
from genret_ops.modeling.encoder import token_count
from genret_ops.records import Document
from genret_ops.settings import Settings


def main(base: Path, deltas: Path) -> None:
    """Apply the deltas, and print the shares."""
    settings = Settings()
    count = token_count(settings.model.encoder)

    def pieces(path: Path) -> tuple[set[str], set[str]]:
        text = path.read_text()
        passages = cut_document(Document(path.name, "", text), settings.corpus, count)
        return {passage.passage_id for passage, _ in passages}, {sentence for sentence, _ in sentences(text)}

    files = {path.name: pieces(path) for path in sorted(base.glob("*.*"))}
    total, fresh = [0, 0], [0, 0]
    for date in sorted(path for path in deltas.iterdir() if path.is_dir()):
        removed = date / "removed.txt"
        for name in removed.read_text().split() if removed.exists() else ():
            files.pop(name, None)
        for path in sorted(date.glob("*.rst")):
            after = pieces(path)
            if path.name in files:
                for kind in (0, 1):
                    total[kind] += len(after[kind])
                    fresh[kind] += len(after[kind] - files[path.name][kind])
            files[path.name] = after
    print(f"passages in the last snapshot: {sum(len(passages) for passages, _ in files.values())}")
    print(f"in changed files: {fresh[1] / total[1]:.1%} of sentences new, {fresh[0] / total[0]:.1%} of passages new")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
