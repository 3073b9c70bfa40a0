"""A language model behind Anthropic's API: single messages for a few requests, batches for many.

The most that a request can cost is set aside before it is sent. Of messages sent one by one, a kill, a time-out or a
broken connection loses those under way: nobody can say whether they were paid for, so they are not sent again.
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from genret_ops.errors import GenretError
from genret_ops.settings import GenerationSettings
from genret_ops.synthesis.anthropic_batches import AnthropicBatches
from genret_ops.synthesis.anthropic_service import ALIKE, BATCH_SHARE, AnthropicService, fruitless, said
from genret_ops.synthesis.generation_store import GenerationStore
from genret_ops.synthesis.language_model import (
    ANTHROPIC,
    BROKEN,
    CHARACTERS_A_TOKEN,
    TIMED_OUT,
    Completion,
    Estimate,
    Keep,
    Request,
    Usage,
)

_MILLION = 1_000_000


class AnthropicModel:
    """A model of Anthropic's.

    Args:
        name: the service's name of it.
        settings: address, prices, cap, and how many requests are sent at once.
        ledger: what is under way, and what was spent.

    Raises:
        GenretError: the package, the key or the prices are missing.
    """

    def __init__(self, name: str, settings: GenerationSettings, ledger: GenerationStore) -> None:
        self.name = f"{ANTHROPIC}:{name}"
        self._service = AnthropicService(name, settings)
        self._batches = AnthropicBatches(self._service, ledger, settings.cap)
        self._settings, self._ledger = settings, ledger

    def close(self) -> None:
        """Close its connections."""
        self._service.client.close()

    def estimate(self, requests: Sequence[Request], tokens_per_answer: float) -> Estimate:
        """What these requests will take, at the prices of the settings; a cache is not counted on."""
        share, prices = self._share(len(requests)), self._service.prices
        read = sum(len(each.system) + len(each.prompt) for each in requests) // CHARACTERS_A_TOKEN
        written = round(tokens_per_answer * len(requests))
        cost = share * (read * prices.input + written * prices.output) / _MILLION
        return Estimate(len(requests), read, written, cost, sum(prices.most(each, share) for each in requests))

    def complete(self, requests: Sequence[Request], keep: Keep) -> None:
        """Ask each request once; those in batches under way are waited for, not sent again.

        Raises:
            GenretError: the service cannot be used, or answers nothing of what it is sent.
        """
        forms, finished = {request.key: request.output for request in requests}, set[str]()
        self._service.stopped.clear()

        def note(completion: Completion) -> None:
            keep(completion)
            finished.add(completion.key)

        self._batches.collect(forms, note)
        rest = [request for request in requests if request.key not in finished]
        if self._share(len(rest)) < 1:
            self._batches.complete(rest, forms, note)
        else:
            self._complete_each(rest, note)

    def _share(self, count: int) -> float:
        """What so many requests cost, as a share of what single messages do."""
        return BATCH_SHARE if count >= self._settings.bulk else 1.0

    def _most(self, request: Request) -> float:
        """The most dollars that a request can cost by itself."""
        return self._service.prices.most(request, 1.0)

    def _complete_each(self, requests: Sequence[Request], keep: Keep) -> None:
        """Send requests one by one, a few at once, as long as the cap lets them."""
        waiting, flying, outcomes = deque(requests), set[Future[None]](), dict[str, Completion | Exception]()
        alike, reason, at_once = 0, "", self._settings.concurrency

        def work(request: Request) -> None:
            try:
                outcomes[request.key] = self._ask(request)
            except Exception as error:  # raised where the outcome is read
                outcomes[request.key] = error

        pool = ThreadPoolExecutor(at_once, thread_name_prefix="language-model")
        try:
            while True:
                while waiting and len(flying) < at_once:
                    if not self._ledger.reserve({waiting[0].key: self._most(waiting[0])}, self._settings.cap):
                        break
                    flying.add(pool.submit(work, waiting.popleft()))
                if not flying:
                    return
                flying = wait(flying, return_when=FIRST_COMPLETED).not_done
                for key in list(outcomes):
                    outcome = outcomes[key]
                    if isinstance(outcome, Exception):
                        raise outcome
                    keep(outcome)
                    del outcomes[key]
                    alike = alike + 1 if outcome.empty and outcome.reason == reason else int(outcome.empty)
                    reason = outcome.reason
                    if alike >= ALIKE:
                        raise fruitless(alike, reason)
        finally:  # whatever ended it: what is under way is paid for, so it is waited for and kept
            self._service.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            for key in self._ledger.sent_alone():
                outcome = outcomes.get(key, GenretError("never sent"))
                if isinstance(outcome, Completion):
                    keep(outcome)
                elif isinstance(outcome, GenretError):  # the service was not reached, or let nobody in
                    self._ledger.release([key])

    def _ask(self, request: Request) -> Completion:
        """Send a request and wait for its answer, with pauses while the service is busy.

        Raises:
            GenretError: the service lets nobody in with this key, does not know the model, or cannot be reached.
        """
        service = self._service
        try:
            message = service.patiently(
                lambda: service.client.messages.create(**service.parameters(request, False)), service.nothing_came
            )
        except service.errors.APIError as error:
            if getattr(error, "status_code", 0) in (401, 402, 403, 404):
                raise service.unusable(error) from error
            if isinstance(error, service.errors.APIStatusError) and (
                error.status_code < 500 or service.nothing_came(error)
            ):
                return Completion(request.key, reason=f"error {error.status_code}: {said(error)}")
            if service.nothing_came(error):
                raise service.unusable(error) from error
            reason = TIMED_OUT if isinstance(error, service.errors.APITimeoutError) else BROKEN
            return Completion(request.key, reason=reason, usage=Usage(uncertain=self._most(request)))
        return service.read(request.key, request.output, message, service.prices.usage(message, 1.0))
