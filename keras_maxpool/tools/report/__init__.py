"""What a model's pooling layers do to its data, and what looks wrong: `report`, and the command's table and page."""

from keras_maxpool.tools import on_keras_3  # noqa: F401 isort: skip
from keras_maxpool.tools.report.findings import Finding
from keras_maxpool.tools.report.model import Growth, Report, report
from keras_maxpool.tools.report.receptive_field import Field, Unknown
from keras_maxpool.tools.report.rows import Row

__all__ = ["Field", "Finding", "Growth", "Report", "Row", "Unknown", "report"]
