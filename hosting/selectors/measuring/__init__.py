"""What instances use, and how near that is to what their plans and servers have."""
