"""System checks of this room."""
