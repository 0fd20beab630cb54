"""What is told of trained policies: statistics, figures, one page."""
