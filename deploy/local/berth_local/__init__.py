"""Runs what Berth needs on one machine: a private PostgreSQL, a private Redis, a Docker Engine.

Standard library only: it works before anything is installed, and knows nothing of Django.
"""
