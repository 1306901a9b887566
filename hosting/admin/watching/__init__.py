"""Incidents and planned maintenance in the admin."""
