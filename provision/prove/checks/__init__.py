"""The checks of a proof: `table` has a row for each, the other modules the functions that the rows name."""
