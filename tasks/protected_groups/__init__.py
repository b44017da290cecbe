"""Who a text speaks of: term lists by protected attribute, and how they are found."""
