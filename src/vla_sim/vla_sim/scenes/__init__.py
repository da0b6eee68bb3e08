"""What stands on the table: one scene a file; `vla_sim.catalogue` knows them all."""
