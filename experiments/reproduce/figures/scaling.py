"""If scaled: large distances, component rates, bursts, and the decoding load of a large algorithm."""

from experiments.reproduce.engine.figure import Job, Records, Section, Settings
from experiments.reproduce.scaling import (
    bursts,
    bursts_report,
    components,
    distances,
    distances_report,
    load,
    load_report,
)

TITLE = "If scaled"


def jobs(settings: Settings) -> list[Job]:
    """List the jobs of all parts."""
    return [
        *distances.jobs(settings),
        *components.jobs(settings),
        *bursts.jobs(settings),
        *load.jobs(settings),
    ]


def section(settings: Settings, records: Records) -> Section:
    """Report all parts."""
    parts = [
        distances_report.part(settings, records),
        components.part(settings, records),
        bursts_report.part(settings, records),
        load_report.part(settings, records),
    ]
    return Section(
        summary="\n\n".join(part.words for part in parts),
        calibrated="nothing here; the 105-qubit model has the factor of the memory figure, and the "
        "repetition code the strength of noise of its own figure.",
        predicted="errors per cycle, qubits, Lambda, the floor; service times are measured on this machine, "
        "and reaction times follow from them by simulation.",
        rows=[row for part in parts for row in part.rows],
        tables=[table for part in parts for table in part.tables],
        pictures=[picture for part in parts for picture in part.pictures],
        limits=[limit for part in parts for limit in part.limits],
        data={name: entry for part in parts for name, entry in part.data.items()},
    )
