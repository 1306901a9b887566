"""Whether all is well: looks, what they count up to, incidents, planned maintenance."""
