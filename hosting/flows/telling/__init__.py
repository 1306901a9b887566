"""Sending what is due to be told."""
