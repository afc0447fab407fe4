"""Measures of a finished video."""
