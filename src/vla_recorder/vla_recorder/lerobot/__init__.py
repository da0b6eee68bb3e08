"""LeRobotDataset v3.0: parquet and mp4."""
