"""The ways to set clocks and limits: through the driver, or through somebody who has more rights."""
