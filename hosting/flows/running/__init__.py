"""An instance's stack: what it stands on, brought up and down, repaired, removed."""
