"""A corpus of short passages that a language model writes about, and a process that has it write.

    python -m tests.support.written_corpus HOME PASSAGES SETTINGS

takes the settings as JSON of their groups and prints what came of it, as JSON.
"""

import json
import sys
from pathlib import Path

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.settings import Settings
from genret_ops.synthesis import anthropic_batches
from genret_ops.synthesis.generation_stage import Writing, write_with_language_model
from tests.support.small_head import head_of


def corpus(count: int) -> CorpusView:
    """A corpus of so many documents of one passage each, of which no two are alike."""
    return head_of(
        {
            f"doc-{number}": (
                f"Lighthouse {number}",
                {"keeper": f"Keeper {number % 3}"},
                [[f"The lamp of tower {number} burns {number * 7} litres.", f"Its keeper counts {number} ships."]],
            )
            for number in range(count)
        }
    )


def neighbours(count: int) -> np.ndarray:
    """The next two passages, as the nearest of each."""
    return (np.arange(count)[:, None] + np.array([1, 2])) % count


def settings_of(url: str, kinds: tuple[str, ...] = ("chunk",), **generation: object) -> Settings:
    """Settings under which a service on loopback writes.

    Args:
        url: its address.
        kinds: what it writes.
        generation: settings of `GenerationSettings` besides address and prices.
    """
    from tests.support.language_service import INPUT_PRICE, OUTPUT_PRICE

    group = {"base_url": url, "input_price": INPUT_PRICE, "output_price": OUTPUT_PRICE, "cap": 100.0}
    synthesis = {"language_model": "anthropic:loopback-1", "written": kinds}
    return Settings.model_validate({"synthesis": synthesis, "generation": group | generation})


def write(home: Path, count: int, settings: Settings) -> Writing:
    """Have a language model write about the corpus."""
    return write_with_language_model(home, corpus(count), neighbours(count), settings)


if __name__ == "__main__":
    anthropic_batches.SETTLING = 1.0
    folder, passages, groups = sys.argv[1:]
    writing = write(Path(folder), int(passages), Settings.model_validate_json(groups))
    failures = [list(failure) for failure in writing.failures]
    print(json.dumps({"answered": writing.generated.answered, "failures": failures}))
