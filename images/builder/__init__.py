"""Builds the images that Berth can make itself, with nothing but Python's standard library."""
