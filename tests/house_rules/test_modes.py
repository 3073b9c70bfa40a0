"""Every place that cannot import the modes of a search names the same ones: the command line, the client, the page."""

import re
from pathlib import Path
from typing import get_args

from clients.models import Mode
from genret_ops.cli.options import ModeOption
from genret_ops.records import MODES

PAGE = Path(__file__).parents[2] / "serving" / "page"


def test_the_command_line_and_the_client_know_every_mode() -> None:
    literal, nothing = get_args(get_args(ModeOption)[0])
    assert (get_args(literal), nothing, get_args(Mode)) == (MODES, type(None), MODES)


def test_the_page_offers_every_mode() -> None:
    (listed,) = re.findall(r"^const MODES = \[(.*)\];$", (PAGE / "address.js").read_text(), re.MULTILINE)
    offered = re.findall(r'name="mode" value="(\w+)"', (PAGE / "index.html").read_text())
    assert re.findall(r"\w+", listed) == offered == list(MODES)
