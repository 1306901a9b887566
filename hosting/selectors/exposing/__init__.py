"""Berth, its servers and its instances in numbers, for Prometheus."""
