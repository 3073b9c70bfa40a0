"""A client comes to programs of others: it is there at once, and brings httpx and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

LOOK = """
import json, sys, time
begun = time.process_time()
import clients.client
spent = time.process_time() - begun
print(json.dumps({"seconds": spent, "loaded": sorted({name.partition(".")[0] for name in sys.modules})}))
"""
HEAVY = {"torch", "numpy", "pyarrow", "lancedb", "dagster", "bentoml", "pydantic", "great_expectations", "sqlalchemy"}
OURS = {"genret_ops", "assets", "validations", "serving"}
SECONDS = 0.3


def test_it_is_imported_quickly_and_alone() -> None:
    looked = [look() for _ in range(3)]
    loaded = set(looked[0]["loaded"])
    assert {"clients", "httpx"} <= loaded
    assert loaded & HEAVY == set()
    assert loaded & OURS == {"genret_ops"}, "its errors, which are of nobody else's making"
    assert min(one["seconds"] for one in looked) < SECONDS


def look() -> dict[str, object]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, env=environment)
    return dict(json.loads(done.stdout))
