"""Other versions: tried on a copy first, and given to all in waves."""
