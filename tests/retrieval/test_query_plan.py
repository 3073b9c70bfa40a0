"""The query plan: what is named firmly, what is only mentioned, and the clause that belongs to each value."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from genret_ops.retrieval.explain import describe_plan
from genret_ops.retrieval.query_plan import MAX_CLAUSES, MAX_SOFT, Planner, QueryPlan

VALUES = {
    "source": {"The Age": 40, "Fortune": 30, "Wired": 20, "TechCrunch": 50, "The Verge": 45, "C++ Weekly": 3},
    "category": {"technology": 80, "sports": 70, "Final": 2},
    "module": {"json": 9, "class": 1},
}
PLANNER = Planner(VALUES)


def firm(plan: QueryPlan) -> list[tuple[str, str]]:
    return [item for clause in plan.clauses for item in clause.constraints.items()]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("Who won, according to Fortune?", ("source", "Fortune")),
        ("Who was the founder, as reported by The Age?", ("source", "The Age")),
        ("What does the Fortune article say about the founder of FTX?", ("source", "Fortune")),
        ("Which article by Wired discusses batteries?", ("source", "Wired")),
        ("The TechCrunch report on layoffs", ("source", "TechCrunch")),
        ("what did 'Fortune' think of the merger", ("source", "Fortune")),
        ("what did “Fortune” think of the merger", ("source", "Fortune")),
        ('how do I sort the keys in the "json" module', ("module", "json")),
        ("how do I sort keys, in the module json", ("module", "json")),
        ("Fortune's article on yachts", ("source", "Fortune")),
        ("Fortune reported that yachts are sold", ("source", "Fortune")),
        ("what changed, according to C++ Weekly", ("source", "C++ Weekly")),
    ],
)
def test_exact_case_and_a_cue_make_a_value_firm(query: str, named: tuple[str, str]) -> None:
    plan = PLANNER.plan(query)
    assert firm(plan) == [named]
    assert named not in plan.soft
    assert named[1] not in plan.text


@pytest.mark.parametrize(
    ("query", "soft"),
    [
        ("Fortune favours the bold in chess", (("source", "Fortune"),)),
        ("Fortune does not favour the bold in chess", (("source", "Fortune"),)),
        ("How many Final matches were Wired for sound", (("category", "Final"), ("source", "Wired"))),
        ("the newspaper Wired its office", (("source", "Wired"),)),
        ("a nearby Fortune seeker", (("source", "Fortune"),)),
        ("sort a class of sports", (("module", "class"), ("category", "sports"))),
    ],
)
def test_exact_case_without_a_cue_is_soft(query: str, soft: tuple[tuple[str, str], ...]) -> None:
    plan = PLANNER.plan(query)
    assert firm(plan) == []
    assert plan.soft == soft


@pytest.mark.parametrize(
    "query",
    [
        "at the age of ten, according to the doctor",
        "a fortune was lost, by fortune or by skill",
        "according to fortune, who won?",
        "written by the age of ten",
        "as reported by the verge of a breakdown",
        "Fortunes reported by TechCrunchers",
    ],
)
def test_words_that_only_look_like_values_are_not_named_at_all(query: str) -> None:
    plan = PLANNER.plan(query)
    assert firm(plan) == [] and plan.soft == ()


def test_several_values_give_a_clause_each_with_its_own_part_of_the_question() -> None:
    plan = PLANNER.plan(
        "Does the TechCrunch article suggest that battery plants are closing, while The Verge report says "
        "that scooters are recalled?"
    )
    assert firm(plan) == [("source", "TechCrunch"), ("source", "The Verge")]
    first, second = plan.clauses
    assert "battery plants" in first.text and "scooters" not in first.text
    assert "scooters" in second.text and "battery" not in second.text


def test_a_value_that_is_named_again_asks_again() -> None:
    query = (
        "Did the Fortune report on the yacht's repairs published on October 4, 2023, and the Fortune report on the "
        "harbour fire published on November 13, 2023, blame the same captain?"
    )
    first, second = PLANNER.plan(query).clauses
    assert first.constraints == second.constraints == {"source": "Fortune"}
    assert "repairs" in first.text and "fire" not in first.text
    assert "fire" in second.text and "repairs" not in second.text


def test_a_date_belongs_to_the_clause_that_names_it() -> None:
    """The comma inside a date parts no clauses; a clause that names no day may mean any of them."""
    query = "Did Fortune report on October 4, 2023, that yachts burn, while The Age said on 13 November 2023 they sink?"
    plan = PLANNER.plan(query)
    assert [clause.dates for clause in plan.clauses] == [("2023-10-04",), ("2023-11-13",)]
    assert plan.dates == ("2023-10-04", "2023-11-13")
    unsure = PLANNER.plan("On October 4, 2023, did Fortune report that yachts burn, while The Age said that they sink?")
    assert [clause.dates for clause in unsure.clauses] == [("2023-10-04",), ("2023-10-04",)]


SITES = {"Cnbc | World Business News Leader": 9, "Wired": 5, "Sports Daily": 5, "Sea - North": 2, "Sea - South": 2}


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("who planned a board, as reported by CNBC", "Cnbc | World Business News Leader"),
        ("who planned a board, as reported by Cnbc", "Cnbc | World Business News Leader"),
        ("who planned a board, as reported by Cnbc | World Business News Leader", "Cnbc | World Business News Leader"),
        ("what caught fire, according to WIRED", "Wired"),
    ],
)
def test_a_site_is_known_by_its_name_without_its_slogan_and_in_capitals(query: str, value: str) -> None:
    assert firm(Planner({"source": SITES}).plan(query)) == [("source", value)]


def test_a_name_that_several_values_could_mean_is_none() -> None:
    assert firm(Planner({"source": SITES}).plan("what sank, according to Sea")) == []


def test_where_another_source_is_named_a_distinctive_name_needs_no_cue() -> None:
    planner = Planner({"source": SITES, "topic": {"Deep Water": 3}})
    query = "After Wired reported on the fire, did Sports Daily keep silent, and did a Sea or Deep Water matter?"
    assert firm(planner.plan(query)) == [("source", "Wired"), ("source", "Sports Daily")]
    assert firm(planner.plan("did Sports Daily keep silent")) == []


def test_content_may_stand_before_its_attribution() -> None:
    plan = PLANNER.plan(
        "Who sold a yacht in Monaco harbour, according to Fortune, and bought a football club, as reported by The Age?"
    )
    first, second = plan.clauses
    assert first.constraints == {"source": "Fortune"} and "yacht" in first.text and "football" not in first.text
    assert second.constraints == {"source": "The Age"} and "football" in second.text and "yacht" not in second.text


@pytest.mark.parametrize(
    "query",
    [
        "according to both Fortune and The Age, who lost the yacht race",
        "as reported by both Fortune and The Age, who lost the yacht race",
        "Who lost the yacht race, according to both Fortune and The Age?",
        "Who lost the yacht race in articles from Fortune, and The Age?",
        "Who lost the yacht race, as reported by 'Fortune' and 'The Age'?",
    ],
)
def test_values_listed_together_share_the_question(query: str) -> None:
    plan = PLANNER.plan(query)
    assert firm(plan) == [("source", "Fortune"), ("source", "The Age")]
    assert all("lost yacht race" in clause.text for clause in plan.clauses)


def test_a_query_that_names_hundreds_of_values_costs_what_a_few_do() -> None:
    names = [f"module{number}" for number in range(150)]
    planner = Planner({"module": dict.fromkeys(names, 2)})
    plan = planner.plan("according to " + ", ".join(names))
    assert [clause.constraints["module"] for clause in plan.clauses] == names[:MAX_CLAUSES]
    assert plan.left_out == 150 - MAX_CLAUSES and "the query names too much: 142 left out" in describe_plan(plan)
    plan = planner.plan("whatever . " + " . ".join(names))
    assert plan.soft == tuple(("module", name) for name in names[:MAX_SOFT]) and plan.left_out == 150 - MAX_SOFT
    assert PLANNER.plan("according to Fortune, who won").left_out == 0


def test_the_texts_of_a_plan_are_the_whole_query_and_each_clause() -> None:
    plan = PLANNER.plan("What does the Fortune article say about yachts, while The Age reports on football?")
    assert len(plan.clauses) == 2
    assert plan.texts == [plan.text, plan.clauses[0].text, plan.clauses[1].text]


def test_a_value_named_twice_in_one_breath_is_one_clause() -> None:
    plan = PLANNER.plan("according to Fortune, what did the Fortune article say of yachts")
    assert len(plan.clauses) == 1 and firm(plan) == [("source", "Fortune")]


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("October 5, 2023", "2023-10-05"),
        ("oct. 5th 2023", "2023-10-05"),
        ("Sept. 5, 2023", "2023-09-05"),
        ("5 October 2023", "2023-10-05"),
        ("the 5th of October, 2023", "2023-10-05"),
        ("2023-10-05", "2023-10-05"),
        ("ſep 5 2023", "2023-09-05"),
    ],
)
def test_a_date_is_read_in_every_spelling_and_taken_out_of_the_text(written: str, day: str) -> None:
    plan = PLANNER.plan(f"yacht race published on {written} in Monaco")
    assert plan.dates == (day,)
    assert "2023" not in plan.text and "yacht race" in plan.text


@pytest.mark.parametrize("written", ["February 30, 2023", "2023-13-01", "0000-01-01", "May 2023", "12.10.2023"])
def test_what_is_no_day_is_no_date(written: str) -> None:
    assert PLANNER.plan(f"yachts on {written}").dates == ()


def test_a_value_of_two_attributes_is_read_as_the_more_frequent_one() -> None:
    planner = Planner({"kind": {"Final": 2}, "round": {"Final": 9}})
    assert firm(planner.plan("results of the 'Final'")) == [("round", "Final")]


@pytest.mark.parametrize("values", [{}, {"source": {}}, {"source": {"": 4}}, {"source": {"F": 4}}])
def test_a_corpus_without_values_names_nothing(values: dict[str, dict[str, int]]) -> None:
    plan = Planner(values).plan("Who won, according to 'Fortune' and to 'F'?")
    assert firm(plan) == [] and plan.soft == ()


@pytest.mark.parametrize("query", ["2023-10-05", "who is the", "'Fortune'", "'Fortune' and 'The Age' articles", "?"])
def test_a_query_of_nothing_but_its_frame_still_has_text(query: str) -> None:
    plan = PLANNER.plan(query)
    assert plan.text.strip() and all(clause.text.strip() for clause in plan.clauses)


pieces = st.sampled_from(
    [
        *(value for values in VALUES.values() for value in values),
        *("according to", "as reported by", "the", "article", "both", "and", ",", "while", "'", '"', "?", "\n"),
        *("2023-10-05", "May 5, 2023", "the age of", "fortune", "from", "module", "yacht", "is", "who", "’s", "“"),
    ]
)
queries = st.lists(pieces | st.text(max_size=6), min_size=1, max_size=14).map(" ".join) | st.text(max_size=60)


@given(queries)
def test_planning_never_fails_and_every_clause_has_text(query: str) -> None:
    assume(query.strip())
    plan = PLANNER.plan(query)
    assert plan == PLANNER.plan(query)
    assert plan.text.strip() and plan.clauses and all(clause.text.strip() for clause in plan.clauses)
    named = [*firm(plan), *plan.soft]
    assert all(value in VALUES[attribute] and value in query for attribute, value in named)


names = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=12)


@given(st.dictionaries(names, st.dictionaries(names, st.integers(1, 9), max_size=4), max_size=3), queries)
def test_any_values_make_a_planner(values: dict[str, dict[str, int]], query: str) -> None:
    assume(query.strip())
    words = " according to ".join([query, *(value for found in values.values() for value in found)])
    plan = Planner(values).plan(words)
    assert all(clause.text.strip() for clause in plan.clauses)
    assert all(value in values[attribute] for attribute, value in firm(plan))


@pytest.mark.parametrize("query", ["the form of a stored file has to change", "what is between both claims"])
def test_a_query_that_names_nothing_is_searched_as_it_is_written(query: str) -> None:
    assert PLANNER.plan(f"{query}?").texts == [query, query]


@pytest.mark.parametrize("quotes", ['""', "''", "‘’", "“”"])
def test_no_quotation_marks_stay_where_a_value_was_taken_out(quotes: str) -> None:
    plan = PLANNER.plan(f"which function in the {quotes[0]}json{quotes[1]} module writes text")
    assert plan.clauses[0].constraints == {"module": "json"} and plan.text == "function in module writes text"
