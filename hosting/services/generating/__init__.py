"""A fleet that never ran, to measure pages with."""
