"""What workers begin with: an operation to be worked through, and what comes back."""
