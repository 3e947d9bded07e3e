"""Windows, output sizes and pads in plain integers, without any array library."""
