"""The documents of the small home, the broken files beside them, and settings under which a build takes seconds."""

import subprocess
from collections.abc import Callable
from pathlib import Path

TINY = """
[training]
steps = 8
update_steps = 4
batch = 8
rpo_steps = 2
negatives = 50
checkpoint_every = 2

[synthesis]
heldout_queries = 20

[gate]
questions = 12
reached_sample = 25
"""
KNOWN = {
    "coffee.md": ("Red Team", "The espresso machine", "Descale it every second month with citric acid and hot water."),
    "parking.md": (
        "Blue Team",
        "Where to leave a car",
        "Visitors park behind the warehouse; the barrier opens at six.",
    ),
    "fire.md": ("Red Team", "When the alarm rings", "Leave by the staircase and meet at the old oak tree."),
    "holiday.md": ("Blue Team", "Days off", "Vacation is requested two weeks ahead in the calendar of the office."),
    "printer.md": ("Red Team", "Paper and toner", "A jammed sheet comes out through the flap at the back."),
    "bees.md": ("Green Team", "The hives on the roof", "Smoke calms the bees before the honey is harvested in July."),
}
_PLACES = ("Lisbon", "Oslo", "Prague", "Dublin", "Vienna", "Athens", "Riga", "Bern", "Turin")
_THINGS = ("archive", "kitchen", "library", "workshop", "garden", "laboratory")
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty.txt": (b"", "empty"),
    "nul.txt": (b"abc\0def", "binary"),
    "halved.txt": (b"\xff\xfea", "unreadable"),
    "truncated.pdf": (b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog", "unreadable"),
    "picture.png": (b"\x89PNG", "unknown format"),
    "rows.jsonl": (
        b'{"_id": "kettle", "title": "The kettle", "text": "The kettle whistles when its water boils over."}\n{"_id": ',
        "unreadable",
    ),
    "twice.md": (b"---\nteam: Red Team\n---\n# When the alarm rings\n\nSame words.\n", ""),
    "twice-again.md": (b"---\nteam: Red Team\n---\n# When the alarm rings\n\nSame words.\n", "duplicate content"),
}
"""A file's bytes, and why it (or a line of it) is refused; "" where it is not."""


def write_documents(folder: Path) -> None:
    for name, (team, title, text) in KNOWN.items():
        (folder / name).write_text(f"---\nteam: {team}\n---\n# {title}\n\n{text} Ask the {team} about it.\n")
    for number in range(54):
        place, thing = _PLACES[number % 9], _THINGS[number // 9]
        text = f"The {thing} in {place} opens on day {number}. People of {place} look after its shelves and lamps."
        (folder / f"{thing}-{place.lower()}.txt").write_text(text + f" Room {number} stays locked.\n")
    for name, (data, _) in BROKEN.items():
        (folder / name).write_bytes(data)


Genret = Callable[..., subprocess.CompletedProcess[str]]
