"""How a frame is held against a suite, and what a finding tells."""

import pytest

from genret_ops.records import Document, to_arrow
from validations.runner import faultless, frame_of, library, suite_of, validate
from validations.suites import documents

TEA = Document("tea.md", "Tea", "Leaves and water.", {}, "docs/tea.md")
SALT = Document("salt.md", "Salt", "", {}, "docs/salt.md")


def test_a_finding_tells_which_rows() -> None:
    frame = documents.frame(to_arrow("documents", [TEA, SALT]))
    found = validate(frame, documents.suite(), documents.KEY, {"documents": 2})
    (finding,) = found.failed
    assert found.refused and found.warnings == [] and found.figures == {"documents": 2}
    assert (finding.rows, finding.failing) == (2, 1)
    assert finding.sample == ({"doc_id": "salt.md", "source": "docs/salt.md", "text_fault": "empty"},)
    assert finding.told == (
        "every document has text: not so in 1 of 2 rows, "
        "such as doc_id 'salt.md', source 'docs/salt.md', text_fault 'empty'"
    )


def test_an_expectation_that_cannot_be_tried_is_an_error() -> None:
    suite = library().ExpectationSuite("broken", [faultless("no_such_column", "nothing is wrong")])
    with pytest.raises(RuntimeError, match="'nothing is wrong' could not be tried"):
        validate(frame_of([{"own": "x"}], {"own": "str"}), suite, ("own",), {})


@pytest.mark.parametrize(("empty", "holds"), [("", False), ("nobody needs one", True)])
def test_a_table_without_rows_fails_unless_the_suite_says_when_it_may(empty: str, holds: bool) -> None:
    suite = suite_of("hats", [faultless("own", "nothing is wrong")], empty=empty)
    first, second = validate(frame_of([], {"own": "str"}), suite, ("own",), {}).findings
    assert (first.passed, first.observed, second.passed) == (holds, 0, True)
    assert first.name == ("there may be no hats: nobody needs one" if empty else "there are hats")
