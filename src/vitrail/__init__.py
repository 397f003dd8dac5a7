"""vitrail: from raw slides to compared tissues.

The library that the workflow's scripts call. Sub-modules are imported on demand, so that a job
pays only for what it uses.
"""

__version__ = "0.1.0"
