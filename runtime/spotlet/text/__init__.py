"""Text that is safe to show: names from files, addresses with passwords, a terminal's lines."""
