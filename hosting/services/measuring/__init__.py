"""What instances use: written down, summed up, and held to what their plans include."""
