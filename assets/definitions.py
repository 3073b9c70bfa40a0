"""Everything Dagster sees of the home that GENRET_HOME names: the stages, the doors to them, and what opens doors."""

import dagster as dg

from assets import stage_jobs
from assets.jobs import doors
from assets.sensors import schedules, sensors

defs = dg.Definitions.merge(stage_jobs.stages, dg.Definitions(jobs=doors, sensors=sensors, schedules=schedules))
