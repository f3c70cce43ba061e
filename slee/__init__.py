"""The authoring API: `from slee import Sbb, Cmp, cmp, ...`; re-exports of `slee.api` and nothing else."""

from slee.api.activity import ActivityContext, EventContext, NullActivity, PreserveMissed
from slee.api.address import Address, AddressPlan
from slee.api.alarm import AlarmID, AlarmLevel
from slee.api.credentials import Ha1
from slee.api.declaration import (
    Cmp,
    child,
    cmp,
    configuration,
    fires,
    resource,
    usage_parameters,
    volatile,
)
from slee.api.errors import CreateError, ProfileVerificationError, SleeError
from slee.api.event import ActivityEnd, RowExpired, ServiceStarted, TimerEvent, TimerID, event_type
from slee.api.facilities import Rows, TraceLevel, VolatileTable
from slee.api.handler import InitialEventSelection, Select, handles, initial_event
from slee.api.ids import SbbID, ServiceID
from slee.api.local import ChildRelation, SbbLocal, local
from slee.api.migration import migrates
from slee.api.profile import Collation, Profile, attribute
from slee.api.profile_event import ProfileAdded, ProfileID, ProfileRemoved, ProfileUpdated
from slee.api.profile_table import ProfileTable, profiles
from slee.api.query import Condition, query, where
from slee.api.resource import ResourceAdaptorType
from slee.api.sbb import RolledBackContext, Sbb
from slee.api.usage import UsageParameters, counter, sample
from slee.api.view import ActivityContextView, Shared, shared

__all__ = [
    "ActivityContext",
    "ActivityContextView",
    "ActivityEnd",
    "Address",
    "AddressPlan",
    "AlarmID",
    "AlarmLevel",
    "ChildRelation",
    "Cmp",
    "Collation",
    "Condition",
    "CreateError",
    "EventContext",
    "Ha1",
    "InitialEventSelection",
    "NullActivity",
    "PreserveMissed",
    "Profile",
    "ProfileAdded",
    "ProfileID",
    "ProfileRemoved",
    "ProfileTable",
    "ProfileUpdated",
    "ProfileVerificationError",
    "ResourceAdaptorType",
    "RolledBackContext",
    "RowExpired",
    "Rows",
    "Sbb",
    "SbbID",
    "SbbLocal",
    "Select",
    "ServiceID",
    "ServiceStarted",
    "Shared",
    "SleeError",
    "TimerEvent",
    "TimerID",
    "TraceLevel",
    "UsageParameters",
    "VolatileTable",
    "attribute",
    "child",
    "cmp",
    "configuration",
    "counter",
    "event_type",
    "fires",
    "handles",
    "initial_event",
    "local",
    "migrates",
    "profiles",
    "query",
    "resource",
    "sample",
    "shared",
    "usage_parameters",
    "volatile",
    "where",
]
