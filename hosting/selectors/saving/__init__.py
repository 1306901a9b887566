"""What is saved, how well that is proven, and what was brought back."""
