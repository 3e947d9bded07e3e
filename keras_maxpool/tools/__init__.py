"""What a user runs: each module here is one command of keras-maxpool."""
