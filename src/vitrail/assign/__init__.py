"""Stage assign: which cell, and which part of it, each transcript lies in."""
