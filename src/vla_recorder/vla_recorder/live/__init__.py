"""Raw messages into a data set as they come."""
