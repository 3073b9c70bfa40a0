"""What was collected for another task, and is no answer of this one, is asked for again."""

from contextlib import closing
from pathlib import Path

from genret_ops.synthesis.generation import Task, generate
from genret_ops.synthesis.generation_store import FILE, GenerationStore, Subject
from genret_ops.synthesis.language_model import INVALID, Completion, Estimate, Keep, Request
from genret_ops.synthesis.prompts import Keywords

KEY = "0" * 32


class Writes:
    """A model that lists one keyword."""

    name = "writes"

    def estimate(self, requests: object, tokens_per_answer: float) -> Estimate:
        return Estimate(1, 0, 0)

    def complete(self, requests: list[Request], keep: Keep) -> None:
        for request in requests:
            keep(Completion(request.key, '{"keywords":["bees"]}'))

    def close(self) -> None: ...


def test_an_answer_that_is_not_in_its_form_is_taken_back(tmp_path: Path) -> None:
    subject = Subject(KEY, "writes:keywords", ("p",), ("d",))
    task = Task(subject, Keywords, lambda longer: Request(KEY, "", "list", Keywords, 10 << longer))
    with closing(GenerationStore(tmp_path / FILE)) as store:
        store.note([subject])
        store.keep(Completion(KEY, '{"queries":[]}'))
        generated = generate([task], store, Writes, lambda _: None, lambda *_: None)
        assert (generated.answered, generated.new) == (1, 1)
        assert store.answers([KEY]) == {KEY: '{"keywords":["bees"]}'}
        assert store.times_failed([KEY], INVALID)[KEY] == 1
        again = generate([task], store, Writes, lambda _: None, lambda *_: None)
        assert (again.answered, again.new) == (1, 0)
