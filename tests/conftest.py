"""Environment of every test: quiet libraries, and property tests that say the same on every machine of a build."""

import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
for setting in [name for name in os.environ if name.startswith("GENRET_")]:
    del os.environ[setting]  # a developer's own home or settings must not reach a test

from hypothesis import settings  # noqa: E402 - after the environment is set

settings.register_profile("developer", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")
