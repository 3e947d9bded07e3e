"""What a user runs: each module or package here is one command of keras-maxpool, or what several share."""
