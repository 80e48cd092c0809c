"""A page about a trained detector: figures, diagrams, pictures, and what they mean."""

from spotlet_training.report.writing import PAGE_FILE, report_training, write_report

__all__ = ["PAGE_FILE", "report_training", "write_report"]
