"""Other versions and plans: tried on a copy, then changed to, with a way back."""
