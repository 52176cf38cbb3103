"""The live view: rates and intervals from samples, the screen, the page, the metrics, a daemon that dies."""

import io
import math
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from decoders.streaming.frames import frames_of
from experiments import cli
from experiments.monitor.screen import decades, draw_screen
from experiments.monitor.watch import NAMES, Sample, StreamSample, Watch, since
from realtime.latency import Histogram
from realtime.service.client import Client, DaemonProcess
from realtime.service.daemon import DaemonConfig
