"""A service on loopback that speaks Messages and Message Batches, fails as one does, and counts what it bills.

Faults follow from the seed, from what is asked and from how often that was asked before. Its answers are questions made
from the words of the passage that it is shown. A single message is billed if its sender still waits when it is ready,
an entry of a batch once the batch has taken it on.
"""

import hashlib
import json
import random
import re
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

INPUT_PRICE, OUTPUT_PRICE = 3.0, 15.0
"""Dollars for a million tokens."""
BUSY = {"rate_limit_error": 429, "overloaded_error": 529, "api_error": 500}
ERRORS = {"unknown": (404, "not_found_error"), "strict": (400, "invalid_request_error")}
"""Models that answer nothing but an error."""


@dataclass(frozen=True)
class Faults:
    """How likely each fault is.

    Attributes:
        busy: 429, 529 or 500 instead of an answer, and of a batch that is sent.
        lost: a batch is taken, but nobody learns it: the connection ends, or a 500 comes.
        late: a batch is taken, but not before the connection has ended; `late_seconds` after that.
        broken: a message is billed, but the connection ends, or a proxy says 502.
        truncated: an answer ends in its middle.
        refused: the model refuses.
        invalid: an answer is JSON of another form.
        slow: an answer takes `slow_seconds`.
        expired: an entry of a batch expires.
        errored: an entry of a batch fails.
        unpaid: every entry of a batch fails, since the account has no credit.
        pause: seconds that a busy service asks for, as a header has them.
    """

    busy: float = 0.0
    lost: float = 0.0
    late: float = 0.0
    broken: float = 0.0
    truncated: float = 0.0
    refused: float = 0.0
    invalid: float = 0.0
    slow: float = 0.0
    expired: float = 0.0
    errored: float = 0.0
    unpaid: bool = False
    pause: str = "0.05"
    late_seconds: float = 0.3
    slow_seconds: float = 1.0


@dataclass
class Billed:
    """One answer that was billed."""

    message: str
    identity: str
    good: bool
    dollars: float
    read: int
    written: int


@dataclass
class TakenBatch:
    """A batch: when it ends, and its results."""

    id: str
    created: str
    ends: float
    results: list[dict[str, Any]]
    dropped: bool = False


@dataclass
class LanguageService:
    """The service: what it does wrong, and what it has seen.

    Attributes:
        faults: what goes wrong how often.
        seed: of the faults.
        batch_seconds: how long a batch takes at most.
        billed: everything that was billed, in order.
        calls: how many calls of each kind came.
        batches: the batches, oldest first.
        together: most single messages that it was busy with at once.
        spaces: how long answers were allowed to be, in tokens.
        prefixes: the beginnings that requests shared.
    """

    faults: Faults = Faults()
    seed: int = 0
    batch_seconds: float = 0.2
    billed: list[Billed] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    batches: list[TakenBatch] = field(default_factory=list)
    url: str = ""
    together: int = 0
    spaces: set[int] = field(default_factory=set)
    prefixes: set[str] = field(default_factory=set)
    _busy: int = 0
    _tries: Counter[str] = field(default_factory=Counter)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def dollars(self) -> float:
        """What was billed in all."""
        return sum(each.dollars for each in self.billed)

    def good_answers(self) -> Counter[str]:
        """How often each request was given a valid answer that was billed."""
        return Counter(each.identity for each in self.billed if each.good)

    def _roll(self, identity: str) -> random.Random:
        with self._lock:
            self._tries[identity] += 1
            return random.Random(f"{self.seed}/{identity}/{self._tries[identity]}")

    def answer(self, body: Mapping[str, Any], roll: random.Random, in_batch: bool) -> tuple[dict[str, Any], Billed]:
        """A message, and its bill."""
        text, reason, faults = written(body), "end_turn", self.faults
        kind = roll.random()
        if kind < faults.truncated:
            text, reason = text[: len(text) // 2], "max_tokens"
        elif kind < faults.truncated + faults.refused:
            text, reason = "", "refusal"
        elif kind < faults.truncated + faults.refused + faults.invalid:
            text = json.dumps({"answer": 42})
        self.spaces.add(body["max_tokens"])
        system = body["system"][0]["text"]
        prefix, prompt = len(system) // 4, len(body["messages"][0]["content"]) // 4
        output = len(text) // 4 + 1
        with self._lock:
            cached, number = system in self.prefixes, f"msg_{len(self.billed)}_{roll.getrandbits(40)}"
            self.prefixes.add(system)
        hour = body["system"][0]["cache_control"].get("ttl") == "1h"
        read = prompt + prefix * (0.1 if cached else 2.0 if hour else 1.25)
        dollars = (read * INPUT_PRICE + output * OUTPUT_PRICE) / 1e6 * (0.5 if in_batch else 1.0)
        usage = {
            "input_tokens": prompt,
            "output_tokens": output,
            "cache_read_input_tokens": prefix if cached else 0,
            "cache_creation_input_tokens": 0 if cached else prefix,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 0 if cached or hour else prefix,
                "ephemeral_1h_input_tokens": prefix if hour and not cached else 0,
            },
        }
        message = {
            "id": number,
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [{"type": "text", "text": text}] if text else [],
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": usage,
        }
        good = reason == "end_turn" and "answer" not in text[:10]
        return message, Billed(number, identity_of(body), good, dollars, prompt + prefix, output)

    def take(self, requests: list[dict[str, Any]]) -> TakenBatch:
        """Take a batch, and bill what it will answer."""
        results, faults = list[dict[str, Any]](), self.faults
        for request in requests:
            roll = self._roll(identity_of(request["params"]))
            kind = roll.random()
            if faults.unpaid:
                unpaid = {"type": "billing_error", "message": "the credit is used up"}
                result: dict[str, Any] = {"type": "errored", "error": {"type": "error", "error": unpaid}}
            elif kind < faults.expired:
                result = {"type": "expired"}
            elif kind < faults.expired + faults.errored:
                error = {"type": "error", "error": {"type": "api_error", "message": "it broke"}, "request_id": "r"}
                result = {"type": "errored", "error": error}
            else:
                message, bill = self.answer(request["params"], roll, True)
                result = {"type": "succeeded", "message": message}
                with self._lock:
                    self.billed.append(bill)
            results.append({"custom_id": request["custom_id"], "result": result})
        dice = random.Random(f"{self.seed}/batch/{len(self.batches)}")
        dice.shuffle(results)
        with self._lock:
            number = f"msgbatch_{len(self.batches)}"
            ends = time.monotonic() + self.batch_seconds * dice.random()
            batch = TakenBatch(number, datetime.now(UTC).isoformat(), ends, results)
            self.batches.append(batch)
        return batch

    def forget(self, results_only: bool) -> None:
        """Drop the results of all batches, or the batches with them."""
        for batch in self.batches:
            batch.dropped = True
        if not results_only:
            self.batches.clear()

    def shown(self, batch: TakenBatch) -> dict[str, Any]:
        """A batch as the service describes it."""
        ended = time.monotonic() >= batch.ends
        kinds = Counter(entry["result"]["type"] for entry in batch.results)
        names = ("succeeded", "errored", "expired", "canceled")
        counts = {name: kinds[name] if ended else 0 for name in names}
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts | {"processing": 0 if ended else len(batch.results)},
            "created_at": batch.created,
            "expires_at": batch.created,
            "ended_at": batch.created if ended else None,
            "results_url": f"{self.url}/v1/messages/batches/{batch.id}/results"
            if ended and not batch.dropped
            else None,
        }


def identity_of(body: Mapping[str, Any]) -> str:
    """What is asked, whatever the space for the answer."""
    question = [body["model"], body["system"][0]["text"], body["messages"], body["output_config"]]
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


def written(body: Mapping[str, Any]) -> str:
    """Questions made from the passage of a request, in the form that it wants; attributes are its second word."""
    prompt, schema = body["messages"][0]["content"], body["output_config"]["format"]["schema"]
    passage = re.split(r"(?:^|\n)(?:Text|Sentences|Document):\n", prompt)[-1]
    words = re.findall(r"\w+", passage)
    picked = [" ".join(words[start : start + 3]) for start in range(0, 9, 3)]
    attribute = re.match(r"Attributes:\n[^:]+: (.+)", prompt)
    by = f" according to {attribute[1]}" if attribute else ""
    texts = [f"what is known of {words_} and {number}{by}" for number, words_ in enumerate(picked)]
    styles = ("question", "claim", "keyword")
    queries: list[dict[str, Any]] = [{"style": style, "text": text} for style, text in zip(styles, texts, strict=True)]
    if "SentenceQuery" in schema.get("$defs", {}):
        queries = [query | {"sentence": number + 1} for number, query in enumerate(queries)]
    forms = {
        "queries": queries,
        "questions": [{"question": text, "answer": " ".join(words[-2:])} for text in texts],
        "keywords": words[:4],
        "attributes": [
            {"name": name, "value": words[1], "evidence": words[1]}
            for name in re.findall(r"^- (\w+) \(", body["system"][0]["text"], re.MULTILINE)
        ],
    }
    (name,) = schema["properties"]
    return json.dumps({name: forms[name]})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: LanguageService

    def log_message(self, format: str, *args: Any) -> None: ...

    def _send(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _fail(self, kind: str) -> None:
        error = {"type": "error", "error": {"type": kind, "message": kind}}
        self._send(BUSY[kind], error, {"retry-after": self.service.faults.pause} if BUSY[kind] == 429 else {})

    def _cut(self) -> None:
        """End the connection without a word."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _admitted(self) -> bool:
        if "right" in (self.headers["x-api-key"], (self.headers["authorization"] or "").removeprefix("Bearer ")):
            return True
        error = {"type": "error", "error": {"type": "authentication_error", "message": "invalid key"}}
        self._send(401, error)
        return False

    def _gone(self) -> bool:
        """Whether the sender waits no more."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True

    def do_POST(self) -> None:
        body, service = json.loads(self.rfile.read(int(self.headers["content-length"]))), self.service
        if not self._admitted():
            return
        if self.path.startswith("/v1/messages/batches"):
            self._take(body["requests"])
        else:
            with service._lock:
                service.calls["message"] += 1
                service._busy += 1
                service.together = max(service.together, service._busy)
            try:
                self._message(body)
            finally:
                service._busy -= 1

    def _message(self, body: dict[str, Any]) -> None:
        service = self.service
        if (model := body["model"]) in ERRORS:
            status, kind = ERRORS[model]
            self._send(status, {"type": "error", "error": {"type": kind, "message": f"model: {model}"}})
            return
        roll = service._roll(identity_of(body))
        if roll.random() < service.faults.busy:
            self._fail(roll.choice(list(BUSY)))
            return
        if roll.random() < service.faults.slow:
            time.sleep(service.faults.slow_seconds)
        message, bill = service.answer(body, roll, False)
        if self._gone():
            return
        with service._lock:
            service.billed.append(bill)
        if roll.random() >= service.faults.broken:
            self._send(200, message)
        elif roll.random() < 0.5:
            self._send(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"})
        else:
            self._cut()

    def _take(self, requests: list[dict[str, Any]]) -> None:
        service = self.service
        with service._lock:
            service.calls["batch"] += 1
            dice = random.Random(f"{service.seed}/take/{service.calls['batch']}")
        if dice.random() < service.faults.busy:
            self._fail(dice.choice(["rate_limit_error", "overloaded_error"]))
            return
        if dice.random() < service.faults.late:
            threading.Timer(service.faults.late_seconds, service.take, [requests]).start()
            self._cut()
            return
        batch = service.take(requests)
        if dice.random() < service.faults.lost:
            if dice.random() < 0.5:
                self._fail("api_error")
            else:
                self._cut()
            return
        self._send(200, service.shown(batch))

    def do_GET(self) -> None:
        service, path = self.service, self.path.partition("?")[0]
        if not self._admitted():
            return
        with service._lock:
            service.calls["look"] += 1
            dice = random.Random(f"{service.seed}/look/{service.calls['look']}")
        if dice.random() < service.faults.busy:
            self._fail(dice.choice(list(BUSY)))
            return
        by_id = {batch.id: batch for batch in service.batches}
        parts = path.strip("/").split("/")
        if len(parts) == 3:
            listed = [service.shown(batch) for batch in reversed(service.batches)]
            self._send(200, {"data": listed, "has_more": False, "first_id": None, "last_id": None})
        elif parts[3] in by_id and len(parts) == 4:
            self._send(200, service.shown(by_id[parts[3]]))
        elif parts[3] in by_id:
            lines = [json.dumps(entry).encode() + b"\n" for entry in by_id[parts[3]].results]
            self._send(200, b"".join(lines), {"content-type": "application/binary"})
        else:
            self._send(404, {"type": "error", "error": {"type": "not_found_error", "message": path}})


@contextmanager
def serving(service: LanguageService) -> Iterator[LanguageService]:
    """Run a service while the block lasts."""
    handler = type("Handler", (_Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
