"""The model card: a release's `README.md`, written from the facts of its build alone.

The text is `templates/card.md.j2`. The card is not part of the content hash, so it may be written again with new
measurements after the release is sealed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from genret_ops.registry.artifacts import CARD


def write_card(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Write the model card of a release.

    Args:
        folder: the release's folder.
        facts: what the card shows, all of it required:
            name, content_hash, generation, delta, parent (number or None), created_at, family, encoder; language_model,
            "" in all families but the causal;
            corpus: {label: count or text};
            training: {steps, seed, loss_first, loss_last, worth, and any further label: value}; None if there was none;
            evaluation: {queries: what they were, systems: {system: {metric: score from 0 to 1}}}, without systems if
                nothing was evaluated;
            fusion: {mode, weights: {feature: weight}};
            limits: sentences; versions: {library: version};
            settings_hash, git_revision (or None), run_id.

    Returns:
        The path of the card.

    Raises:
        jinja2.UndefinedError: one of them is missing; an earlier card stays as it was.
    """
    text = card_environment().get_template("card.md.j2").render(dict(facts))
    path = folder / CARD
    path.write_text(text, encoding="utf-8")
    return path


def card_environment() -> Environment:
    """The templates of this room: each fact is required, and the filters put it on one line."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(line=_line, number=_number, percent=_percent, columns=_columns, without=_without)
    return environment


def _line(value: Any) -> str:
    """One line that cannot leave its table cell or open a tag."""
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def _number(value: Any) -> str:
    """1234 as 1,234; a fraction with four digits; anything else as a line."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else _line(value)


def _percent(score: float) -> str:
    return f"{100 * score:.1f}"


def _columns(systems: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Every metric of any system, in order of first appearance."""
    return list(dict.fromkeys(metric for scores in systems.values() for metric in scores))


def _without(facts: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in names}
