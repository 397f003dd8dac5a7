"""What tests of conditions share: designs over independent units, and multiple testing."""
