"""What the figures share: axes, marks, legends, notes, and the style."""
