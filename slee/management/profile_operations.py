"""The operations on profile tables and profiles: a part of the table of operations (MGT-1)."""

from __future__ import annotations

from typing import Final

from slee.api import errors
from slee.management.operation import Operation, Role, Transfer, change, reading, state
from slee.management.profile_arguments import (
    AnySpecification,
    NewProfile,
    NewProfileTable,
    ProfileChange,
    ProfileChoice,
    ProfileExport,
    ProfileImport,
    ProfileName,
    ProfileQuery,
    ProfileSearch,
    ProfileTableName,
    ProfileTableRenaming,
)
from slee.management.profile_results import ImportInfo, ProfileInfo, ProfileTableInfo, ReloadInfo
from slee.management.profiles import Profiles

_STATE: Final = errors.InvalidStateError
_TABLE: Final = errors.UnrecognizedProfileTableError
_SPECIFICATION: Final = errors.UnrecognizedProfileSpecificationError
_TABLE_NAME: Final = errors.ProfileTableAlreadyExistsError
_PROFILE: Final = errors.UnrecognizedProfileError
_UNFIT: Final = (
    errors.UnrecognizedAttributeError,
    errors.ProfileVerificationError,
    errors.UniqueAttributeViolationError,
    errors.TransactionRolledBackError,
    errors.ProfileDatabaseError,
    errors.JournalError,
)
_ATTRIBUTE: Final = (errors.UnrecognizedAttributeError, errors.AttributeTypeMismatchError)

PROFILE_OPERATIONS: Final = (
    reading("profile.table.list", AnySpecification, tuple[ProfileTableInfo, ...], Profiles.tables, _SPECIFICATION),
    reading("profile.table.show", ProfileTableName, ProfileTableInfo, Profiles.table, _TABLE),
    change(
        "profile.table.create",
        NewProfileTable,
        ProfileTableInfo,
        Profiles.create_table,
        _SPECIFICATION,
        _TABLE_NAME,
        errors.CreateError,
        *_UNFIT,
    ),
    change(
        "profile.table.rename",
        ProfileTableRenaming,
        ProfileTableInfo,
        Profiles.rename_table,
        _TABLE,
        _TABLE_NAME,
        errors.JournalError,
    ),
    change("profile.table.remove", ProfileTableName, None, Profiles.remove_table, _TABLE, *_UNFIT),
    state("profile.table.reload", ProfileTableName, ReloadInfo, Profiles.reload_table, _TABLE, _STATE, *_UNFIT),
    change(
        "profile.add",
        NewProfile,
        ProfileInfo,
        Profiles.add,
        _TABLE,
        errors.ProfileAlreadyExistsError,
        errors.CreateError,
        *_UNFIT,
    ),
    reading("profile.show", ProfileChoice, ProfileInfo, Profiles.show, _TABLE, _PROFILE),
    change("profile.set", ProfileChange, ProfileInfo, Profiles.set, _TABLE, _PROFILE, *_UNFIT),
    change("profile.remove", ProfileName, None, Profiles.remove, _TABLE, _PROFILE, *_UNFIT),
    reading("profile.find", ProfileSearch, tuple[ProfileInfo, ...], Profiles.find, _TABLE, *_ATTRIBUTE),
    reading(
        "profile.query",
        ProfileQuery,
        tuple[ProfileInfo, ...],
        Profiles.query,
        _TABLE,
        errors.UnrecognizedQueryError,
        errors.AttributeTypeMismatchError,
    ),
    Operation(
        "profile.export", ProfileExport, bytes, Role.VIEWER, False, Profiles.export, (_TABLE,), Transfer.DOWNLOAD
    ),
    Operation(
        "profile.import",
        ProfileImport,
        ImportInfo,
        Role.ADMIN,
        True,
        Profiles.import_,
        (_TABLE, _STATE, *_UNFIT),
        Transfer.UPLOAD,
    ),
)


__all__ = ["PROFILE_OPERATIONS"]
