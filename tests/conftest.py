"""Hypothesis profiles: `dev` looks anew at each run, `ci` repeats itself, so that a red run means a change.

`scripts/test tests/stateful --hypothesis-profile=long` takes a quarter of an hour and more.
"""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: on a busy machine it measures the neighbours.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("long", deadline=None, print_blob=True, max_examples=20_000, stateful_step_count=60)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")

pytest_plugins = ["tests.profile_databases"]
