"""What a training run leaves on disk, and how it resumes from it."""
