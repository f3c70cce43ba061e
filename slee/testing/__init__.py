"""The test kit for service authors: the product's own kernel on a manual clock, without sockets."""

from slee.testing.callbacks import CallbackEntry, CallbackLog
from slee.testing.clock import ManualClock
from slee.testing.faults import Crash, Delay, Faults
from slee.testing.harness import SleeHarness, Step
from slee.testing.observer import Failure, RecordingObserver
from slee.testing.resources import Handed, Recorder, RecordingResource, recording_type
from slee.testing.scripted import Expectation, ScriptedResource
from slee.testing.serialisation import SerialisationError
from slee.testing.upgrade import upgrade

__all__ = [
    "CallbackEntry",
    "CallbackLog",
    "Crash",
    "Delay",
    "Expectation",
    "Failure",
    "Faults",
    "Handed",
    "ManualClock",
    "Recorder",
    "RecordingObserver",
    "RecordingResource",
    "ScriptedResource",
    "SerialisationError",
    "SleeHarness",
    "Step",
    "recording_type",
    "upgrade",
]
