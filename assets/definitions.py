"""Everything Dagster sees of the home that GENRET_HOME names: stages, jobs, sensors, schedules and resources."""

import dagster as dg

from assets.jobs import jobs
from assets.sensors import schedules, sensors
from assets.stage_jobs import asset_checks, assets, resources, stage_jobs

defs = dg.Definitions(
    assets=assets,
    asset_checks=asset_checks,
    jobs=[*stage_jobs, *jobs],
    sensors=sensors,
    schedules=schedules,
    resources=resources,
    executor=dg.in_process_executor,
)
