"""The folders of npz files of the CALVIN benchmark."""
