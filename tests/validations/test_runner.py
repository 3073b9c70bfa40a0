"""How a frame is validated against a suite, and what a finding says."""

import pytest

from genret_ops.records import Document, to_arrow
from genret_ops.storage.check_results import outcome
from validations.runner import expect_no_fault, gx, suite_of, typed_frame, validate
from validations.suites import documents

TEA = Document("tea.md", "Tea", "Leaves and water.", {}, "docs/tea.md")
SALT = Document("salt.md", "Salt", "", {}, "docs/salt.md")


def test_what_was_counted_or_measured_is_said_in_words() -> None:
    assert outcome(1000, 1, None) == "1 of 1,000 rows fails" and outcome(1, 1, None) == "1 of 1 row fails"
    assert outcome(4000, 2000, None) == "2,000 of 4,000 rows fail"
    measured = [outcome(0, 0, value) for value in (5.0, 0.5, 0.99986, 0.0, 1.0)]
    assert measured == ["5 measured", "50 % measured", "99.99 % measured", "0 measured", "1 measured"]


def test_a_finding_says_which_rows_fail() -> None:
    frame = documents.frame(to_arrow("documents", [TEA, SALT]))
    result = validate(frame, documents.suite(), documents.KEY, {"documents": 2})
    (finding,) = result.failed
    assert result.refused and result.warnings == [] and result.figures == {"documents": 2}
    assert (finding.rows, finding.failing) == (2, 1)
    assert finding.sample == ({"doc_id": "salt.md", "source": "docs/salt.md", "text_fault": "empty"},)
    assert finding.message == (
        "every document has text: 1 of 2 rows fails, "
        "for example doc_id 'salt.md', source 'docs/salt.md', text_fault 'empty'"
    )


def test_an_expectation_that_cannot_be_evaluated_is_an_error() -> None:
    suite = gx().ExpectationSuite("broken", [expect_no_fault("no_such_column", "nothing is wrong")])
    with pytest.raises(RuntimeError, match="the check of 'nothing is wrong' could not be evaluated"):
        validate(typed_frame([{"colour": "x"}], {"colour": "str"}), suite, ("colour",), {})


@pytest.mark.parametrize(("empty", "holds"), [("", False), ("nobody needs one", True)])
def test_a_table_without_rows_fails_unless_the_suite_says_when_it_may(empty: str, holds: bool) -> None:
    suite = suite_of("hats", [expect_no_fault("colour", "nothing is wrong")], may_be_empty=empty)
    first, second = validate(typed_frame([], {"colour": "str"}), suite, ("colour",), {}).findings
    assert (first.passed, first.observed, second.passed) == (holds, 0, True)
    assert first.name == (
        "the hats table may be empty, since nobody needs one" if empty else "the hats table is not empty"
    )
