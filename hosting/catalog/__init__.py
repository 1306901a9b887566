"""The apps that can be ordered: Compose files with an ``x-berth`` block, and their stacks."""
