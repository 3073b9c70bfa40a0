"""What stages show in the Dagster UI: tables with typed cells, the gate's criteria, and the loss as an image."""

import base64
import math
import re
from xml.etree import ElementTree

from assets.lib.metadata_views import criteria, loss_curve, table
from genret_ops.registry.verdict import Criterion, Verdict


def test_a_table_keeps_numbers_and_puts_text_on_one_short_line() -> None:
    shown = table(("name", "count", "score"), [("two\n  lines", 3, 2 / 3), ("x" * 200, 0, math.nan)])
    first, second = (record.data for record in shown.records)
    assert first == {"name": "two lines", "count": 3, "score": 0.6667}
    assert second == {"name": "x" * 119 + "…", "count": 0, "score": "nan"}
    assert [column.name for column in shown.schema.columns] == ["name", "count", "score"]


def test_a_table_without_rows_has_its_columns() -> None:
    shown = table(("docid", "label"), [])
    assert not shown.records and [column.name for column in shown.schema.columns] == ["docid", "label"]


def test_criteria_say_how_each_was_met() -> None:
    met = [
        Criterion("reachable", 1.0, 0.95, True, "200 passages"),
        Criterion("speed", 0.2, 0.5, False, "ratio"),
        Criterion("labels", 0.0, 0.0, True, "no labels", compared=False),
    ]
    rows = [record.data for record in criteria(Verdict("hash", "delta-00000", tuple(met))).records]
    assert [row["verdict"] for row in rows] == ["passed", "REFUSED", "not compared"]
    assert rows[1] == {**rows[1], "criterion": "speed", "value": 0.2, "at least": 0.5, "what it is": "ratio"}


def test_the_loss_curve_is_an_image_that_stands_alone() -> None:
    shown = loss_curve([(step, 5.0 / (1 + step)) for step in range(0, 100, 10)]).value
    assert shown is not None
    encoded = re.fullmatch(r"!\[loss by step\]\(data:image/svg\+xml;base64,([\w+/=]+)\)", shown)
    assert encoded
    svg = base64.b64decode(encoded[1]).decode()
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and len(list(root.iter())) > 10
    assert set(re.findall(r"var\((--\w+)\)", svg)) <= {style.split(":")[0] for style in root.attrib["style"].split(";")}


def test_a_training_without_steps_has_no_curve() -> None:
    assert loss_curve([]).value == "no steps were needed"
