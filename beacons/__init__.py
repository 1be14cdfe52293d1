"""Bytes on air to a zone on a floor: pure functions over frozen values."""
