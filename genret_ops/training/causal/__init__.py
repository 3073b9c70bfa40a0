"""Training of the causal family: a language model with LoRA learns to write identifiers, by TRL's trainers.

`dataset` fills the folder of a `job`; `sft` teaches questions with their identifiers, `hard_negatives` finds what the
model wrongly prefers, and `rpo` teaches it not to. `device` says how a stage runs on the machine at hand, and `trainer`
is what both stages that learn share. A stage runs in the training process (training/launcher.py), or under
`accelerate launch -m genret_ops.training.causal STAGE FOLDER` on as many GPUs as there are (docs/method.md, "The causal
family").
"""
