"""The test kit for service authors: the product's own kernel on a manual clock, without sockets."""

from slee.testing.clock import ManualClock
from slee.testing.harness import SleeHarness, Step
from slee.testing.observer import Failure, RecordingObserver
from slee.testing.resources import Handed, Recorder, RecordingResource, recording_type

__all__ = [
    "Failure",
    "Handed",
    "ManualClock",
    "Recorder",
    "RecordingObserver",
    "RecordingResource",
    "SleeHarness",
    "Step",
    "recording_type",
]
