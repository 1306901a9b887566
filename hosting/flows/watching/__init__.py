"""Looking at servers and instances, and putting right what is not as it should be."""
