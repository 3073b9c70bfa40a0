"""What the data checks of a home found: `results` keeps it, `told` tells it without Dagster's UI."""
