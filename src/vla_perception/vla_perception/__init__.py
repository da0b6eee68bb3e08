"""Images, joints and frames into one time-aligned Observation."""
