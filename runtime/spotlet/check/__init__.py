"""Does this model compute here what it computed where it was proven?"""
