"""A router that is wrong on purpose, to show that the conformance tests can fail."""
