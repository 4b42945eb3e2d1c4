"""Everything that is read off a curve of losses over learning rates; needs numpy only."""
