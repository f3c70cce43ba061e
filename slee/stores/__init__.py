"""Implementations of the kernel's store port."""

from slee.stores.opening import JOURNAL_FOLDER, StoreKind, Synchronous, open_store

__all__ = ["JOURNAL_FOLDER", "StoreKind", "Synchronous", "open_store"]
