"""How far operations and whole fleets of them are."""
