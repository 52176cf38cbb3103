"""Recorded experiments for tests: the folder that holds them, and the twelve that the tests read.

They are part of an open data set (Google Quantum AI, Zenodo 6804040, CC BY 4.0), not of the project.
"""

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Environment variable with the folder that holds the experiment folders.
VARIABLE = "QEC_HARDWARE_DATA"
#: Used if the variable is not set: next to the checkout.
DEFAULT = ROOT.parent / "shared" / "data" / "google_2023_sycamore"
#: Experiment folders that the tests read.
EXPERIMENTS = tuple(
    f"surface_code_bX_d{distance}_r{rounds:02d}_center_{centre}"
    for distance, centre in ((3, "3_5"), (3, "7_5"), (5, "5_5"))
    for rounds in (1, 5, 9, 13)
)


def find_recorded_data(variables: Mapping[str, str], *, default: Path = DEFAULT) -> Path | None:
    """Find the folder of the recorded experiments.

    Args:
        variables: environment variables.
        default: folder if `VARIABLE` is not set, or empty.

    Returns:
        The folder; None if the variable is not set and the default does not exist.

    Raises:
        FileNotFoundError: the folder named by the variable lacks experiments.
    """
    named = variables.get(VARIABLE, "")
    if not named and not default.is_dir():
        return None
    folder = Path(named or default)
    missing = [name for name in EXPERIMENTS if not (folder / name).is_dir()]
    if missing:
        given = f"{VARIABLE}={named}" if named else f"{VARIABLE} is not set"
        raise FileNotFoundError(
            f"{given}: {folder} lacks {len(missing)} of {len(EXPERIMENTS)} experiment folders, "
            f"{missing[0]} among them; name the folder that holds them, unpacked from Zenodo 6804040"
        )
    return folder


def link_experiments(source: Path, target: Path) -> Path:
    """Make folders with links to the files of the twelve experiments, whatever else the source holds.

    Args:
        source: folder that `find_recorded_data` returned.
        target: an empty folder.

    Returns:
        target.
    """
    for name in EXPERIMENTS:
        (target / name).mkdir()
        for file in (source / name).resolve().iterdir():
            (target / name / file.name).symlink_to(file)
    return target
