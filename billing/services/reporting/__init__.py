"""What finance is told: recurring revenue and margins."""
