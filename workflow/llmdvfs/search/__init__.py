"""An adaptive search: what to measure next by what was measured, round by round, until the clocks are found."""
