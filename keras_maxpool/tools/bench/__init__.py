"""keras-maxpool bench: our layers against the built-in ones and other peers, compared and timed."""
