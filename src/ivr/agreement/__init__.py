"""What the data and the environment of a training must agree on: one rule for each."""
