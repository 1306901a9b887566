"""How instances stand: looks, uptime, incidents, planned maintenance."""
