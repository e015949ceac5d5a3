"""What stands between Blender and the clients: lanes, the event channel, the job journal, demo servers. No ``bpy``
here.
"""

from .event_channel import ChannelItem, EventChannel, JobEvent, MemoryFreed, ProbeFinished, Recovered
from .runtime import JobView, Runtime
from .settings import BackendSettings, RuntimeSettings, SpeechSettings

__all__ = [
    "BackendSettings",
    "ChannelItem",
    "EventChannel",
    "JobEvent",
    "JobView",
    "MemoryFreed",
    "ProbeFinished",
    "Recovered",
    "Runtime",
    "RuntimeSettings",
    "SpeechSettings",
]
