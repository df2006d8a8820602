"""Makes sure that what is started is what the cells' keys were made of.

People can edit launch.json, which is written to be reviewed.
"""

from llmdvfs.errors import ConfigError
from llmdvfs.plan.identity import deployment_identity, key_of_identity
from llmdvfs.records.job import LaunchJob, LaunchRecord
from llmdvfs.serving.planned import contradictions


def check_as_planned(launch: LaunchRecord, job: LaunchJob) -> None:
    """Raise ConfigError where launch.json is not what the configuration of the job's cells gives.

    The measurement would else be stored under the key of another one. Cells without an identity are not compared.
    """
    given = {"deployment": deployment_identity(launch.deployment), "engine": launch.engine_versions}
    asked = [cell.identity for cell in job.cells if cell.identity]
    parts = {name for identity in asked for name in given if not _is_same(identity[name], given[name])}
    if differing := sorted(parts) or (contradictions(launch) if asked else []):
        raise ConfigError(
            f"launch.json of {launch.deployment.id}: {', '.join(differing)}: not what the configuration says, under "
            "whose key the measurement would be stored; expected the file as it was made. Put what you want in the "
            "configuration (`serving.engine.extra_args` takes further flags of the engine), remove launch.json, and "
            "run again"
        )


def _is_same(one: object, other: object) -> bool:
    return key_of_identity({"": one}) == key_of_identity({"": other})
