"""What language models wrote for a home, kept for good: answers, failures, what is under way, and what it all cost.

One SQLite file, `generated.db`. An answer is known by a key that follows from what it is about and how it was asked, so
nothing is paid for twice. Before a request leaves, the most that it can cost is set aside here, and the sum of what was
spent, what may have been spent and what is set aside never exceeds the cap, whatever happens to the process.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from genret_ops.errors import GenretError
from genret_ops.synthesis.language_model import LOST, Completion

FILE, LOCK = "generated.db", "generation"
MOST_TRIES = 3
"""So often a request is answered in vain at most; if nothing came of it, and it cost nothing, it may be sent again."""
_SCHEMA = """
create table if not exists requests (
    key text primary key, generator text not null, passages text not null, documents text not null
);
create table if not exists answers (key text primary key, text text not null);
create table if not exists attempts (
    key text not null, reason text not null, message text not null,
    input_tokens integer not null, output_tokens integer not null, cost real not null, uncertain real not null,
    at text not null
);
create index if not exists attempts_by_key on attempts (key);
create index if not exists attempts_by_message on attempts (message);
create table if not exists under_way (key text primary key, batch text not null, most real not null);
create table if not exists batches (
    name text primary key, id text not null, at text not null, input_price real not null, output_price real not null,
    ended integer not null
);
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about, for whoever reads the answer later, or erases it.

    Attributes:
        key: the request's.
        generator: model and prompt: `anthropic:NAME:chunk@1:HASH`.
        passages: ids of the passages that it shows.
        documents: ids of the documents whose titles and attributes it shows.
    """

    key: str
    generator: str
    passages: tuple[str, ...]
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of requests that was sent, or was about to be.

    Attributes:
        name: our name of it.
        id: the service's; "" if we never learned whether it was taken.
        at: when it was last sent, UTC in ISO 8601.
        most: the most dollars that each request in it can cost whose outcome is not known yet, by key.
        prices: dollars for a million tokens when it was sent, of those that are read and of those that are written.
    """

    name: str
    id: str
    at: str
    most: Mapping[str, float]
    prices: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Account:
    """What a home has got for its money.

    Attributes:
        answers: how many answers it has.
        input_tokens: tokens that were read.
        output_tokens: tokens that were written.
        spent: dollars spent.
        uncertain: dollars that may have been spent besides, at most.
        set_aside: dollars that what is under way can cost at most.
    """

    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    spent: float = 0.0
    uncertain: float = 0.0
    set_aside: float = 0.0

    @property
    def committed(self) -> float:
        """Dollars that are gone, may be gone, or may go: what the cap bounds."""
        return self.spent + self.uncertain + self.set_aside


def forget(home: Path, document: str, traces: Sequence[str]) -> int:
    """Erase what language models wrote of a document (`GenerationStore.forget`); returns how many answers that were."""
    if not (home / FILE).exists():
        return 0
    with closing(GenerationStore(home / FILE)) as store:
        return store.forget(document, traces)


def account_of(home: Path) -> Account:
    """The account of a home; an empty one if no language model ever wrote for it."""
    if not (home / FILE).exists():
        return Account()
    with closing(GenerationStore(home / FILE)) as store:
        return store.account()


class GenerationStore:
    """Answers of language models, and the account of what they cost.

    Only one process asks at a time: whoever does holds the home's lock `LOCK`.

    Args:
        path: the file; it is made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self._connection.execute("pragma synchronous = full")
            self._connection.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise GenretError(f"{path} cannot be used, restore it from a backup: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is kept for good when this ends, or nothing of it is."""
        try:
            self._connection.execute("begin immediate")
            yield self._connection
            self._connection.execute("commit")
        except BaseException:  # wherever an interrupt came
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise

    def note(self, subjects: Iterable[Subject]) -> None:
        """Remember what requests are about, before they are sent."""
        rows = [(each.key, each.generator, json.dumps(each.passages), json.dumps(each.documents)) for each in subjects]
        with self._transaction() as connection:
            connection.executemany("insert or ignore into requests values (?, ?, ?, ?)", rows)

    def reserve(
        self, costs: Mapping[str, float], cap: float, batch: str = "", prices: tuple[float, float] = (0.0, 0.0)
    ) -> bool:
        """Set aside what requests can cost at most, before they are sent.

        Args:
            costs: dollars by key.
            cap: dollars that may be committed in all.
            batch: name of the batch in which they will be sent; empty: each by itself.
            prices: those of the batch, dollars for a million tokens that are read, and that are written.

        Returns:
            Whether that fits under the cap; if not, nothing is set aside.
        """
        with self._transaction() as connection:
            if self.account().committed + sum(costs.values()) > cap:
                return False
            if batch:
                connection.execute("insert into batches values (?, '', ?, ?, ?, 0)", (batch, _now(), *prices))
            rows = [(key, batch, most) for key, most in costs.items()]
            connection.executemany("insert into under_way values (?, ?, ?)", rows)
        return True

    def keep(self, completion: Completion) -> None:
        """Keep what came of a request, and give back what was set aside for it.

        Args:
            completion: what came. If its request was erased meanwhile, its cost alone is kept; what was kept before is
                not kept twice.
        """
        usage = completion.usage
        with self._transaction() as connection:
            if (
                completion.message
                and connection.execute("select 1 from attempts where message = ?", (completion.message,)).fetchone()
            ):
                return
            known = connection.execute("select 1 from requests where key = ?", (completion.key,)).fetchone()
            connection.execute("delete from under_way where key = ?", (completion.key,))
            connection.execute(
                "insert into attempts values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    completion.key if known else "",
                    completion.reason,
                    completion.message,
                    usage.input_tokens,
                    usage.output_tokens,
                    usage.cost,
                    usage.uncertain,
                    _now(),
                ),
            )
            if completion.text and known:
                connection.execute("insert or ignore into answers values (?, ?)", (completion.key, completion.text))

    def take_back(self, key: str, reason: str) -> None:
        """Remove an answer that is none, and note why; what it cost stays in the account."""
        with self._transaction() as connection:
            connection.execute("delete from answers where key = ?", (key,))
            connection.execute("insert into attempts values (?, ?, '', 0, 0, 0, 0, ?)", (key, reason, _now()))

    def release(self, keys: Iterable[str] = (), batch: str = "") -> None:
        """Give back what was set aside for requests, or for a batch, that certainly never arrived.

        Args:
            keys: the requests.
            batch: our name of the batch.
        """
        with self._transaction() as connection:
            connection.executemany("delete from under_way where key = ?", [(key,) for key in keys])
            if batch:
                connection.execute("delete from under_way where batch = ?", (batch,))
                connection.execute("delete from batches where name = ?", (batch,))

    def sending(self, batch: str) -> None:
        """Note that a batch is sent now, perhaps not for the first time."""
        with self._transaction() as connection:
            connection.execute("update batches set at = ? where name = ?", (_now(), batch))

    def taken(self, batch: str, number: str) -> None:
        """Note that the service took a batch.

        Args:
            batch: our name of it.
            number: the service's id of it.
        """
        with self._transaction() as connection:
            connection.execute("update batches set id = ? where name = ?", (number, batch))

    def end(self, batch: str) -> None:
        """Note that all of a batch was collected."""
        with self._transaction() as connection:
            connection.execute("update batches set ended = 1 where name = ?", (batch,))

    def batch_ids(self) -> set[str]:
        """The service's ids of all batches, collected or under way."""
        return {number for (number,) in self._connection.execute("select id from batches where id != ''")}

    def batches(self) -> list[Batch]:
        """The batches under way, oldest first."""
        query = "select name, id, at, input_price, output_price from batches where not ended order by rowid"
        rows = self._connection.execute(query).fetchall()
        return [Batch(name, number, at, self._most(name), (read, written)) for name, number, at, read, written in rows]

    def _most(self, batch: str) -> dict[str, float]:
        return dict(
            self._connection.execute("select key, most from under_way where batch = ? order by rowid", (batch,))
        )

    def sent_alone(self) -> list[str]:
        """The requests under way that are in no batch."""
        return list(self._most(""))

    def give_up_lost(self) -> int:
        """Take what a killed run had sent by itself as spent, perhaps; returns how many requests that are.

        Nobody can say whether they were paid for, so they are not sent again.
        """
        rows = self._most("").items()
        with self._transaction() as connection:
            connection.executemany(
                "insert into attempts values (?, ?, '', 0, 0, 0, ?, ?)",
                [(key, LOST, most, _now()) for key, most in rows],
            )
            connection.execute("delete from under_way where batch = ''")
        return len(rows)

    def answers(self, keys: Collection[str]) -> dict[str, str]:
        """The answers to these requests, by key; those that have none are left out."""
        rows = self._connection.execute("select key, text from answers")
        wanted = frozenset(keys)
        return {key: text for key, text in rows if key in wanted}

    def groups(self, generator: str) -> dict[str, tuple[str, ...]]:
        """The passages that requests of a generator join.

        Args:
            generator: model and prompt, as a `Subject` has them.

        Returns:
            Ids of the passages of each request, by the first of them.
        """
        rows = self._connection.execute(
            "select passages from requests where generator = ? order by rowid", (generator,)
        )
        groups = (tuple(json.loads(passages)) for (passages,) in rows)
        return {group[0]: group for group in groups}

    def tries(self, keys: Collection[str]) -> dict[str, int]:
        """How often each request was answered in vain.

        Args:
            keys: the requests.

        Returns:
            Counts by key; `MOST_TRIES` for one that may have been paid for without an answer: it is not sent again.
        """
        query = (
            "select key, sum(cost + input_tokens + output_tokens > 0), max(uncertain > 0) "
            "from attempts where reason != '' group by key"
        )
        wanted = frozenset(keys)
        return {
            key: MOST_TRIES if lost else answered
            for key, answered, lost in self._connection.execute(query)
            if key in wanted
        }

    def failures(self, keys: Collection[str]) -> dict[str, str]:
        """Why these requests have no answer, by key: the last reason of those that were sent and have none."""
        query = "select key, reason from attempts where reason != '' order by rowid"
        wanted = frozenset(keys) - self.answers(keys).keys()
        return {key: reason for key, reason in self._connection.execute(query) if key in wanted}

    def times_failed(self, keys: Collection[str], reason: str) -> Counter[str]:
        """How often each request failed for a reason, by key."""
        rows = self._connection.execute("select key, count(*) from attempts where reason = ? group by key", (reason,))
        wanted = frozenset(keys)
        return Counter({key: count for key, count in rows if key in wanted})

    def account(self) -> Account:
        """What was spent in all."""
        connection = self._connection
        (answers,) = connection.execute("select count(*) from answers").fetchone()
        query = "select sum(input_tokens), sum(output_tokens), sum(cost), sum(uncertain) from attempts"
        read, written, spent, uncertain = (value or 0 for value in connection.execute(query).fetchone())
        (set_aside,) = connection.execute("select sum(most) from under_way").fetchone()
        return Account(answers, read, written, float(spent), float(uncertain), float(set_aside or 0.0))

    def tokens_per_answer(self, generator: str) -> float | None:
        """Mean number of tokens of this generator's answers; None if it has written none."""
        query = "select avg(output_tokens) from attempts join requests using (key) where reason = '' and generator = ?"
        mean: float | None = self._connection.execute(query, (generator,)).fetchone()[0]
        return mean

    def forget(self, document: str, traces: Sequence[str]) -> int:
        """Erase what showed a document, was written about its passages, or quotes it; the account stays.

        Args:
            document: id of the document.
            traces: ids of its passages, and texts that only it has.

        Returns:
            How many requests that were.
        """
        query = "select key, passages, documents, coalesce(text, '') from requests left join answers using (key)"
        passages, erased = frozenset(traces), list[tuple[str]]()
        for key, shown, documents, text in self._connection.execute(query):
            quotes = any(trace in text for trace in traces)
            if quotes or document in json.loads(documents) or not passages.isdisjoint(json.loads(shown)):
                erased.append((key,))
        with self._transaction() as connection:
            connection.executemany("delete from requests where key = ?", erased)
            connection.executemany("delete from answers where key = ?", erased)
            connection.executemany("update attempts set key = '' where key = ?", erased)
        self._connection.execute("vacuum")
        return len(erased)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
