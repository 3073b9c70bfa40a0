"""The stages as Dagster assets, partitioned by delta: thin modules over genret_ops, which knows no orchestrator."""
