"""Telling people: notifications, their channels, what is sent when, and what became of it."""
