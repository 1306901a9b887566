"""Bringing back what was saved, where it was, beside it, or where nobody sees; and the way back."""
