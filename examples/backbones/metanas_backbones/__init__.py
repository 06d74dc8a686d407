"""Two backbones for metanas, whose weights come from a file."""
