"""Text that is safe to show: names from files, URLs with passwords, lines of a terminal."""
