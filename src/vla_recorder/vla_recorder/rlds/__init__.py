"""RLDS as a TFDS folder of tfrecord files."""
