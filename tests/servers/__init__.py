"""Sources of live video on loopback that break on request, brokers, browsers and viewers."""
