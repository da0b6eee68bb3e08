"""HDF5 in the layout of ALOHA."""
