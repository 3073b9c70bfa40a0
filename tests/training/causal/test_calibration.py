"""How long the steps of a language model take is measured with that model."""

from pathlib import Path

from genret_ops.training.calibration import minutes_of
from tests.support.tiny_causal import TinyCorpus, tiny_settings


def test_the_time_is_measured_once_for_each_model(tiny_model: Path, tmp_path: Path) -> None:
    record, sentences = tmp_path / "calibration.json", TinyCorpus.of(20).texts
    settings = tiny_settings(tiny_model, batch=8)
    minutes = minutes_of(100, settings, sentences, record)
    measured = record.read_text()
    assert 0 < minutes == minutes_of(200, settings, sentences, record) / 2
    assert record.read_text() == measured and '"family": "causal"' in measured
    compact = settings.model_copy(update={"causal": settings.causal.model_copy(update={"model": ""})})
    minutes_of(1, compact.with_training(negatives=8), sentences, record)
    assert record.read_text() != measured
