"""Every error of the SLEE, as one tree.

Catch `SleeError` for all of them. Each message names the component, the rule (its id in `docs/supported.md`) and
the remedy. Indentation shows inheritance; a second parent stands in brackets.

    SleeError
        ComponentDefinitionError
        VerificationError
        DeploymentError
            AlreadyInstalledError
            DependencyError
        InvalidStateError
        InvalidArgumentError (ValueError)
        InvalidLinkNameBindingError
        LinkNameAlreadyBoundError
        InvalidConfigurationError
        ResourceAdaptorEntityAlreadyExistsError
        ScheduleAlreadyExistsError
        StateDirectoryError
        RecoveryError
        TransactionError
            TransactionRequiredError
            TransactionRolledBackError
        ActivityError
            ActivityAlreadyExistsError
            ActivityIsEndingError
            StartActivityError
            UnrecognizedActivityHandleError
        EventError
            FireEventError
            IllegalEventError
        EntityError
            CreateError
            NoSuchObjectError
            NotAttachedError
            ReentrantCallError
            UnsetFieldError
        ProfileError
            ProfileTableAlreadyExistsError
            ProfileAlreadyExistsError
            ProfileVerificationError
            UniqueAttributeViolationError
            ReadOnlyProfileError
            AttributeTypeMismatchError
            StaleProfileError
            SchemaMismatchError
            ProfileDatabaseError
        NamingError
            NameAlreadyBoundError
            NameNotBoundError
        UsageError
            UnrecognizedUsageParameterSetNameError
            UsageParameterSetNameAlreadyExistsError
            NoUsageParametersInterfaceDefinedError
        UpgradeError
        JournalError
            JournalInUseError
            JournalDamagedError
            FencedError
        UnsupportedOperationError
        UnrecognizedError
            UnrecognizedBundleError
            UnrecognizedComponentError
                UnrecognizedServiceError
                UnrecognizedSbbError
                UnrecognizedEventError
                UnrecognizedResourceAdaptorError
                UnrecognizedResourceAdaptorTypeError
                UnrecognizedProfileSpecificationError
            UnrecognizedResourceAdaptorEntityError
            UnrecognizedLinkNameError
            UnrecognizedAlarmError
            UnrecognizedNotificationSourceError
            UnrecognizedProfileTableError
            UnrecognizedProfileError
            UnrecognizedAttributeError
            UnrecognizedQueryError
            UnrecognizedSubsystemError
            UnrecognizedScheduleError
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SleeError(Exception):
    """Something that the SLEE refuses or that failed; catch this for every error of the product."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with a component or bundle."""

    component: str
    """The component, or the place in a file, that has to change."""
    rule: str
    """Id of the rule that is broken."""
    problem: str
    """What is wrong."""
    remedy: str
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.component}: {self.problem} [{self.rule}]; {self.remedy}"


class _IssuesError(SleeError):
    """An error that lists every issue at once (DU-6)."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        self.issues: tuple[Issue, ...] = tuple(issues)
        super().__init__("\n".join(str(issue) for issue in self.issues))


class ComponentDefinitionError(_IssuesError):
    """A component class is wrong by itself; raised when the class is created (DU-6)."""


class VerificationError(_IssuesError):
    """Components do not fit together; raised when a bundle is built and when it is installed (DU-6)."""


class DeploymentError(SleeError):
    """A bundle cannot be built, installed or uninstalled."""


class AlreadyInstalledError(DeploymentError):
    """The bundle, or one of its components, is installed already (DU-15, DU-16)."""


class DependencyError(DeploymentError):
    """Something that is installed or configured still needs this (DU-27, DU-29)."""


class InvalidStateError(SleeError):
    """The thing is in a state in which this is not possible; nothing has changed."""


class InvalidArgumentError(SleeError, ValueError):
    """A management operation was given a value that it cannot take; nothing has changed."""


class InvalidLinkNameBindingError(SleeError):
    """A service needs a resource whose link name is unbound or bound to another RA type (SVC-3)."""


class LinkNameAlreadyBoundError(SleeError):
    """The link name is bound to a resource adaptor entity already (RA-14)."""


class InvalidConfigurationError(SleeError):
    """Configuration is unreadable, unknown or does not fit; lists every offending property (RA-3)."""


class ResourceAdaptorEntityAlreadyExistsError(SleeError):
    """A resource adaptor entity of that name exists (RA-4)."""


class ScheduleAlreadyExistsError(SleeError):
    """A schedule has that name, or there are as many as there may be (TIM-10, TIM-28)."""


class StateDirectoryError(SleeError):
    """The state directory cannot be used: of another version, in use, or unreadable; nothing has changed (MGT-3)."""


class RecoveryError(SleeError):
    """What the journal holds does not fit the program or the components installed; nothing has changed (DUR-12)."""


class TransactionError(SleeError):
    """An operation does not fit the state of the transaction."""


class TransactionRequiredError(TransactionError):
    """The operation is possible in a delivery only; nothing has changed (TX-24)."""


class TransactionRolledBackError(TransactionError):
    """The transaction is marked for rollback, or was rolled back; `__cause__` says why (LOC-10, LOC-11)."""


class ActivityError(SleeError):
    """An operation does not fit the activity."""


class ActivityAlreadyExistsError(ActivityError):
    """An activity with that handle is known (AC-11, RA-18)."""


class ActivityIsEndingError(ActivityError):
    """No event can be fired on an activity that is ending (AC-5)."""


class StartActivityError(ActivityError):
    """The activity was refused for want of resources; `reason` says which (RA-27)."""

    def __init__(self, message: str, reason: int) -> None:
        super().__init__(message)
        self.reason = reason


class UnrecognizedActivityHandleError(ActivityError):
    """No activity with that handle is known (RA-18)."""


class EventError(SleeError):
    """An event cannot be fired."""


class FireEventError(EventError):
    """The event was refused for want of resources; `reason` says which (RA-27)."""

    def __init__(self, message: str, reason: int) -> None:
        super().__init__(message)
        self.reason = reason


class IllegalEventError(EventError):
    """The event's class is no installed event type, or none that this adaptor may fire (RA-25, RA-26)."""


class EntityError(SleeError):
    """An operation does not fit the SBB entity."""


class CreateError(EntityError):
    """An SBB refuses its own creation; raise it in `sbb_create` or `sbb_post_create` (SBB-15, CHD-3)."""


class NoSuchObjectError(EntityError):
    """The SBB entity, profile or table has been removed (LOC-9)."""


class NotAttachedError(EntityError):
    """The SBB entity is not attached to the activity context (RTR-16)."""


class ReentrantCallError(EntityError):
    """A local call came back into an SBB entity that is not declared reentrant (LOC-13)."""


class UnsetFieldError(EntityError):
    """A CMP field without initial value was read before it was written (CMP-2)."""


class ProfileError(SleeError):
    """An operation on a profile or profile table failed."""


class ProfileTableAlreadyExistsError(ProfileError):
    """A profile table of that name exists (PRF-2)."""


class ProfileAlreadyExistsError(ProfileError):
    """A profile of that name exists in the table (PRF-5)."""


class ProfileVerificationError(_IssuesError, ProfileError):
    """Values of a profile do not fit its specification; lists each such attribute (PRF-16, PRF-17).

    A specification's `profile_verify` raises it with a text, or with `Issue`s.
    """

    def __init__(self, issues: str | Sequence[Issue]) -> None:
        if isinstance(issues, str):
            issues = (Issue("profile", "PRF-16", issues, "mend the values and commit again"),)
        super().__init__(issues)


class UniqueAttributeViolationError(ProfileError):
    """Two profiles of a table would have the same value of a unique attribute (PRF-18)."""

    def __init__(self, table: str, attribute: str, profiles: tuple[str, str]) -> None:
        self.table = table
        self.attribute = attribute
        self.profiles = profiles
        super().__init__(
            f"{table}: {profiles[0]} and {profiles[1]} have the same {attribute} [PRF-18]; give one of them another"
        )


class ReadOnlyProfileError(ProfileError):
    """The profile cannot be changed from here (PRF-14, PRF-20)."""


class AttributeTypeMismatchError(ProfileError):
    """A value is of another type than the attribute or parameter that it is given for (PRF-30, PRF-32)."""


class StaleProfileError(ProfileError):
    """The profile has been changed since it was opened for editing; nothing was overwritten (PRF-45)."""


class SchemaMismatchError(ProfileError):
    """A profile table is stored with other attributes than its specification has; migrate it first (PRF-46)."""


class ProfileDatabaseError(ProfileError):
    """More profile changes wait to be written than may; try again when the database can be written (DUR-13)."""


class NamingError(SleeError):
    """An activity context cannot be bound or unbound."""


class NameAlreadyBoundError(NamingError):
    """The name is bound to an activity context already (NAM-2)."""


class NameNotBoundError(NamingError):
    """The name is not bound (NAM-5)."""


class UsageError(SleeError):
    """A usage parameter set cannot be used."""


class UnrecognizedUsageParameterSetNameError(UsageError):
    """No usage parameter set of that name exists (USG-2)."""


class UsageParameterSetNameAlreadyExistsError(UsageError):
    """A usage parameter set of that name exists (USG-8)."""


class NoUsageParametersInterfaceDefinedError(UsageError):
    """The component declares no usage parameters, so that it has no sets (USG-19)."""


class UpgradeError(SleeError):
    """An upgrade is refused or failed."""


class JournalError(SleeError):
    """The journal cannot be used: of another version, unreadable, or not to be written; nothing has changed (DUR)."""


class JournalInUseError(JournalError):
    """Another process owns the journal; the message tells which (DUR-16)."""


class JournalDamagedError(JournalError):
    """The journal is damaged before its end; no file has been changed (DUR-5)."""

    def __init__(self, message: str, file: str, sequence: int) -> None:
        super().__init__(message)
        self.file = file
        """The damaged file."""
        self.sequence = sequence
        """The last sequence number before the damage; 0 if that is not known."""


class FencedError(JournalError):
    """Another owner has taken the journal over: what this one still appends is refused, and it has to stop (DUR-16)."""


class UnsupportedOperationError(SleeError):
    """The operation does not exist for this thing."""


class UnrecognizedError(SleeError):
    """Something was named that the SLEE does not know."""


class UnrecognizedBundleError(UnrecognizedError):
    """No bundle of that id or source is installed."""


class UnrecognizedComponentError(UnrecognizedError):
    """No component of that id is installed."""


class UnrecognizedServiceError(UnrecognizedComponentError):
    """No service of that id is installed."""


class UnrecognizedSbbError(UnrecognizedComponentError):
    """No SBB of that id is installed, or it is not part of the service."""


class UnrecognizedEventError(UnrecognizedComponentError):
    """No event type of that id is installed, or the SBB does not handle it."""


class UnrecognizedResourceAdaptorError(UnrecognizedComponentError):
    """No resource adaptor of that id is installed."""


class UnrecognizedResourceAdaptorTypeError(UnrecognizedComponentError):
    """No resource adaptor type of that id is installed."""


class UnrecognizedProfileSpecificationError(UnrecognizedComponentError):
    """No profile specification of that id is installed."""


class UnrecognizedResourceAdaptorEntityError(UnrecognizedError):
    """No resource adaptor entity of that name exists."""


class UnrecognizedLinkNameError(UnrecognizedError):
    """The link name is not bound."""


class UnrecognizedAlarmError(UnrecognizedError):
    """No active alarm of that id exists."""


class UnrecognizedNotificationSourceError(UnrecognizedError):
    """No notification source of that kind and name exists."""


class UnrecognizedProfileTableError(UnrecognizedError):
    """No profile table of that name exists."""


class UnrecognizedProfileError(UnrecognizedError):
    """The table has no profile of that name."""


class UnrecognizedAttributeError(UnrecognizedError):
    """The profile specification has no attribute of that name (PRF-32)."""


class UnrecognizedQueryError(UnrecognizedError):
    """The profile specification has no query of that name (PRF-30)."""


class UnrecognizedSubsystemError(UnrecognizedError):
    """The SLEE has no part of that name."""


class UnrecognizedScheduleError(UnrecognizedError):
    """No schedule has that name (TIM-27)."""
