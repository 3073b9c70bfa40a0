"""What a published release says of its training is what the training did."""

from pathlib import Path

from genret_ops.evaluation.fusion_tuning import FusionTuning
from genret_ops.evaluation.training_worth import TrainingWorth
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.publish import publish
from genret_ops.registry.trained import trained
from genret_ops.training.job import TrainingJob


def test_its_steps_are_those_that_were_taken(home_copy: Path) -> None:
    """Preference pairs may be too few for all the steps that the settings allow."""
    home = Home(home_copy)
    release, retriever = open_release(home)
    job = TrainingJob(home.work("delta-00000") / "job")
    assert job.rpo_steps == len(job.losses("rpo")) == 2
    curve = job.loss_file("rpo")
    curve.write_text(curve.read_text().splitlines(keepends=True)[0])
    model = retriever.model
    worth = TrainingWorth(1.0, 1.0, 0.1, (0.05, 0.2), 20)
    tuning = FusionTuning(model.fusion, model.lexical_fusion, "lexical", {"hybrid": 0.5}, 20, worth)  # another content
    training = trained(home.path, job.folder)
    made = publish(home, release.head, retriever.index.head, training, job.rows, tuning, {}, "a run", "ann")
    assert made.number != release.number and made.manifest().steps == {"sft": 8, "rpo": 1}
    assert "| RPO steps | 1 |" in (made.folder / "README.md").read_text()
