"""The tools that a user runs: a module or package for each command of keras-maxpool, and what they share."""
