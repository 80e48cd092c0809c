"""Sources of live video on loopback, to be broken on purpose, and who watches them."""
