"""Choice of the threads that decode a stream, by the measured time of a cycle."""

import math
from collections.abc import Callable
from dataclasses import replace

import stim

from decoders import StreamingDecoder
from experiments.loop.parts import LoopSetting
from realtime.kernels.clock import now_ns
from realtime.placement import choose_cores, usable_cores
from realtime.service.admission import MAX_LOAD, measure_service_time
from realtime.service.block_threads import MAX_THREADS


def decide_threads(setting: LoopSetting, circuit: stim.Circuit, *, say: Callable[[str], None]) -> LoopSetting:
    """Choose the threads of a stream where the setting has none: as few as keep up.

    A block of parallel windows takes as long per cycle as windows that follow each other, so that n threads
    need an n-th of that time.

    Raises:
        ValueError: see `StreamingDecoder.from_circuit`.
    """
    if setting.decoder_threads:
        return setting
    threads = 1
    if setting.is_paced:
        say("measuring the decoding time of a cycle")
        decoder = StreamingDecoder.from_circuit(
            circuit, commit=setting.commit, buffer=setting.buffer, decoder=setting.decoder
        )
        service_ns = measure_service_time(decoder, clock=lambda: int(now_ns()))
        load = service_ns / setting.cycle_ns
        threads = max(
            1, min(len(usable_cores()), MAX_THREADS, math.ceil(load / (setting.max_load or MAX_LOAD)))
        )
        say(f"one thread would be busy for {100 * load:.0f} % of the time: {threads} chosen")
    placement = choose_cores(
        streams=setting.streams, decoder_threads=threads, in_process=setting.transport == "inproc"
    )
    return replace(setting, decoder_threads=threads, placement=placement)
