"""Windows, output shapes and checks in plain integers, without any array library."""
