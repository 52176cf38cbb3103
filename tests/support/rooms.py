"""Table of allowed imports: rooms of modules, and what each may import."""

from collections.abc import Mapping
from typing import NamedTuple


class Room(NamedTuple):
    """What modules of one room may import, in addition to the standard library and their own room."""

    rooms: str
    libraries: str


# Longest prefix wins. A module that no line covers fails: give it a room here and in the design.
ROOMS: Mapping[str, Room] = {
    "qec.resources": Room("", ""),
    "qec.files": Room("", ""),
    "qec.instructions": Room("", "stim"),
    "qec.codes": Room("", "numpy"),
    "qec.noise": Room("qec.resources qec.instructions", "stim numpy"),
    "qec.memory": Room("qec.codes qec.instructions qec.noise", "stim numpy"),
    "qec.circuits": Room("qec.codes qec.instructions qec.noise", "stim"),
    "qec.families": Room("qec.codes qec.circuits qec.noise qec.memory", "stim numpy"),
    "qec.distance": Room("", "stim numpy scipy"),
    "qec.statistics": Room("", "numpy scipy pandas"),
    "qec.datasets": Room("qec.resources qec.files", "stim numpy scipy"),
    "qec.sampling.kernels": Room("", "numba llvmlite numpy"),
    "qec.sampling": Room("qec.sampling.kernels qec.noise qec.statistics", "stim numpy"),
    "qec.priors": Room("qec.datasets qec.statistics", "stim numpy scipy"),
    # One subject, one package, with its kernels inside; kernels know other kernels only.
    "decoders.kernels": Room("", "numba llvmlite numpy"),
    "decoders.model": Room("decoders.kernels", "stim numpy"),
    "decoders.model.kernels": Room("decoders.kernels", "numba numpy"),
    "decoders.base": Room("decoders.model decoders.kernels", "stim numpy sinter"),
    "decoders.registry": Room("decoders.base decoders.model", "stim"),
    "decoders.late_names": Room("", ""),  # imports by name what it is asked for
    "decoders.sinter_adapter": Room("decoders.base decoders.model decoders.registry", "sinter stim numpy"),
    "decoders.matching": Room(
        "decoders.base decoders.model decoders.gaps decoders.kernels", "stim numpy scipy"
    ),
    "decoders.matching.kernels": Room("decoders.kernels", "numba numpy"),
    "decoders.reweighted": Room(
        "decoders.base decoders.model decoders.matching decoders.kernels", "stim numpy scipy"
    ),
    "decoders.reweighted.kernels": Room("decoders.kernels decoders.matching.kernels", "numba numpy"),
    "decoders.gaps": Room("decoders.model decoders.matching decoders.reweighted decoders.kernels", "numpy"),
    "decoders.gaps.kernels": Room(
        "decoders.kernels decoders.matching.kernels decoders.reweighted.kernels", "numba numpy"
    ),
    "decoders.correlated": Room(
        "decoders.base decoders.model decoders.matching decoders.reweighted decoders.gaps decoders.kernels",
        "stim numpy",
    ),
    "decoders.correlated.kernels": Room(
        "decoders.kernels decoders.matching.kernels decoders.reweighted.kernels decoders.gaps.kernels",
        "numba numpy",
    ),
    "decoders.belief_matching": Room(
        "decoders.base decoders.model decoders.matching decoders.reweighted decoders.gaps decoders.kernels",
        "stim numpy scipy",
    ),
    "decoders.belief_matching.kernels": Room(
        "decoders.kernels decoders.matching.kernels decoders.reweighted.kernels decoders.gaps.kernels",
        "numba llvmlite numpy",
    ),
    "decoders.trellis": Room("decoders.base decoders.model decoders.matching decoders.kernels", "stim numpy"),
    "decoders.trellis.kernels": Room("decoders.kernels", "numba numpy"),
    "decoders.streaming": Room(
        "decoders.base decoders.model decoders.matching decoders.correlated decoders.gaps decoders.kernels",
        "stim numpy scipy",
    ),
    "decoders.streaming.kernels": Room(
        "decoders.kernels decoders.matching.kernels decoders.correlated.kernels decoders.gaps.kernels",
        "numba numpy",
    ),
    "decoders.external": Room(
        "decoders.base decoders.model decoders.gaps decoders.kernels", "stim numpy scipy pymatching"
    ),
    "decoders.external.kernels": Room("decoders.kernels", "numba numpy"),
    "decoders.pymatching": Room(
        "decoders.model decoders.matching decoders.correlated decoders.reweighted decoders.kernels",
        "stim numpy scipy networkx rustworkx",
    ),
    "decoders.pymatching.kernels": Room(
        "decoders.kernels decoders.matching.kernels decoders.correlated.kernels", "numba numpy"
    ),
    # Kernels use the constants and dtypes of the protocol.
    "realtime.protocol": Room("", "numpy"),
    "realtime.kernels": Room(
        "realtime.protocol decoders.kernels decoders.streaming.kernels", "numba llvmlite numpy"
    ),
    "realtime.latency": Room("realtime.kernels", "numpy"),
    "realtime.placement": Room("", ""),
    "realtime.security": Room("qec.files", ""),
    "realtime.transport": Room("realtime.protocol realtime.security realtime.kernels", "zmq numpy"),
    "realtime.jitter": Room("realtime.kernels realtime.latency realtime.placement", "numpy"),
    "realtime.service": Room(
        "realtime.protocol realtime.kernels realtime.latency realtime.placement realtime.security "
        "realtime.transport decoders qec.files",
        "stim numpy",
    ),
    "realtime.source": Room(
        "realtime.protocol realtime.kernels realtime.latency realtime.placement realtime.security "
        "realtime.transport realtime.service decoders.streaming decoders.matching.workspace qec.files",
        "stim numpy",
    ),
    "realtime.programs.kernels": Room(
        "realtime.protocol realtime.kernels decoders.kernels decoders.streaming.kernels qec.sampling.kernels",
        "numpy",
    ),
    "realtime.programs": Room(
        "realtime.protocol realtime.kernels realtime.latency realtime.placement realtime.transport "
        "realtime.service decoders.streaming decoders.matching.workspace qec.sampling qec.circuits qec.codes "
        "qec.noise",
        "stim numpy",
    ),
    "realtime.client": Room(
        "realtime.protocol realtime.kernels realtime.security realtime.service decoders.streaming.frames",
        "numpy",
    ),
    "realtime.in_process": Room(
        "realtime.service realtime.source realtime.kernels realtime.latency realtime.placement decoders", ""
    ),
    "experiments.common": Room("qec decoders", "stim sinter numpy rich"),
    "experiments.plotting": Room("experiments.common qec", "numpy matplotlib PIL"),
    "experiments.engine": Room("experiments.common qec.sampling decoders", "stim numpy"),
    "experiments.engine.kernels": Room(
        "decoders.kernels decoders.matching.kernels decoders.correlated.kernels qec.sampling.kernels",
        "numba numpy",
    ),
    "experiments.rare": Room("experiments.common experiments.cluster qec decoders", "stim numpy"),
    "experiments.distance": Room("experiments.common qec", "stim"),
    "experiments.cluster": Room("experiments.common", "dask distributed"),
    "experiments.sweep": Room(
        "experiments.common experiments.plotting experiments.engine experiments.cluster experiments.monitor "
        "qec decoders",
        "sinter stim numpy rich pyarrow",
    ),
    "experiments.threshold": Room(
        "experiments.common experiments.plotting experiments.engine experiments.cluster experiments.sweep "
        "qec decoders",
        "",
    ),
    "experiments.hardware": Room("experiments.common experiments.plotting qec decoders", "stim numpy"),
    "experiments.examples": Room("qec decoders realtime", "stim numpy"),
    "experiments.drawing": Room("experiments.common experiments.plotting decoders", "stim numpy scipy"),
    "experiments.gap": Room("experiments.common experiments.plotting qec decoders", "numpy"),
    "experiments.loop": Room(
        "experiments.common experiments.plotting experiments.monitor qec decoders realtime",
        "stim numpy scipy",
    ),
    "experiments.monitor": Room(
        "experiments.common realtime qec", "numpy rich bokeh tornado prometheus_client"
    ),
    "experiments.bench": Room("experiments.common", ""),
    "experiments.bench.watching": Room("experiments.common experiments.loop realtime.source", "numpy"),
    "experiments.bench.speed": Room(
        "experiments.common experiments.plotting experiments.engine qec decoders",
        "stim sinter numpy pymatching",
    ),
    "experiments.bench.accuracy": Room("experiments.common experiments.plotting qec decoders", "stim numpy"),
    "experiments.bench.codes": Room(
        "experiments.common experiments.bench.accuracy qec decoders", "stim numpy"
    ),
    "experiments.bench.transport": Room(
        "experiments.common qec.files decoders.streaming realtime", "stim numpy"
    ),
    "experiments.bench.coverage": Room(
        "experiments.common experiments.bench.accuracy experiments.bench.streaming experiments.loop qec",
        "stim numpy pymatching",
    ),
    "experiments.bench.faults": Room(
        "experiments.common experiments.loop decoders qec.files realtime", "numpy llvmlite"
    ),
    "experiments.bench.streaming": Room(
        "experiments.common experiments.plotting qec decoders", "stim numpy scipy pymatching"
    ),
    "experiments.bench.programs": Room(
        "experiments.common experiments.plotting experiments.loop experiments.bench.streaming qec decoders "
        "realtime",
        "stim numpy",
    ),
    "experiments.reproduce": Room(
        "experiments.common experiments.cluster experiments.plotting experiments.monitor decoders qec", "rich"
    ),
    "experiments.reproduce.engine": Room(
        "experiments.common experiments.cluster experiments.engine qec", "stim markdown_it"
    ),
    "experiments.reproduce.work": Room(
        "experiments.common experiments.engine experiments.reproduce.engine qec decoders",
        "stim numpy scipy",
    ),
    "experiments.scaling": Room("decoders.streaming realtime.protocol qec.statistics", "stim numpy scipy"),
    "experiments.reproduce.scaling": Room(
        "experiments.common experiments.plotting experiments.engine experiments.scaling "
        "experiments.reproduce.engine experiments.reproduce.work qec decoders",
        "stim numpy",
    ),
    "experiments.reproduce.figures": Room(
        "experiments.common experiments.plotting experiments.loop experiments.reproduce.engine "
        "experiments.reproduce.work experiments.reproduce.scaling qec decoders",
        "numpy",
    ),
    "experiments.cli": Room("experiments.common", ""),
    "experiments.decode": Room("experiments.common qec decoders", "stim numpy"),
    "experiments.info": Room("experiments.common experiments.kernel_caches realtime.placement decoders", ""),
    "experiments.warm": Room("experiments.common experiments.kernel_caches decoders", "stim"),
    "experiments.completion": Room("experiments.common experiments.cli decoders", ""),
    "experiments.kernel_caches": Room(
        "experiments.engine.kernels qec.sampling.kernels realtime.kernels realtime.programs.kernels", ""
    ),
    "qec.__main__": Room("experiments.cli", ""),
    "qec.version": Room("", ""),
    "experiments.demo": Room("experiments.common experiments.plotting decoders", "numpy"),
}
