"""Which release answers: judging releases, questions to judge them by, and when to train the next one.

`gate` compares a release with the champion and with its `alternatives`, and gives a verdict, which the registry stores
and enforces; `judgments` keeps the questions with known answers; `retrain_policy` says when to train and from where;
`rebase` puts a release on another corpus head; `champion_evaluation` measures what is served. Nothing here moves an
alias: `Registry.promote` does.
"""
